"""``manage.py roll_up_minutes``: rebuild a range of minutes from the samples still held."""

from __future__ import annotations

import json
from datetime import datetime, time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.clock import market_now
from config.core.commands.command import DeskCommand
from config.core.commands.options import day
from greeks.calendar.exchanges import exchange_named
from greeks.minutes.rebuild import rebuild
from greeks.minutes.roll_up import RolledMinute
from greeks.models import PolledInstrument
from greeks.polling.instruments import instrument_by_slug
from greeks.polling.sessions import session_for


class Command(DeskCommand):
    help = (
        "Roll up a range of minutes again. Samples are held for two hours: an older hole "
        "stays a marked gap, and a row with more samples than are left stays unchanged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="for example nifty-50")
        parser.add_argument(
            "--from",
            required=True,
            metavar="TIME",
            help="first minute: 09:15 of the session shown, or 2026-12-01T09:15; exchange's time",
        )
        parser.add_argument("--to", metavar="TIME", help="end of the range, exclusive; default now")
        parser.add_argument("--expiry", type=day, metavar="YYYY-MM-DD", help="only this expiry")
        parser.add_argument("--json", action="store_true", help="one JSON line per minute")

    def handle(self, *args: Any, **options: Any) -> None:
        instrument = instrument_by_slug(options["slug"])
        rolled = rebuild(
            slug=instrument.slug,
            start=_moment(instrument, options["from"], "--from"),
            end=_moment(instrument, options["to"], "--to") if options["to"] else market_now(),
            expiries=[options["expiry"]] if options["expiry"] else None,
        )
        zone = exchange_named(instrument.exchange).zone
        for each in rolled:
            if options["json"]:
                self.stdout.write(_line(each))
            elif options["verbosity"] > 1:
                self.stdout.write(
                    f"{each.minute.astimezone(zone):%Y-%m-%d %H:%M} {each.expiry}: "
                    f"{each.samples_seen} of {each.samples_expected} samples held"
                    f"{'' if each.written else ', unchanged'}"
                )
        if not options["json"]:
            self.stdout.write(_summary(rolled))


def _moment(instrument: PolledInstrument, text: str, argument: str) -> datetime:
    """Parse a time of the session shown, or a moment; without a zone, in the exchange's."""
    zone = exchange_named(instrument.exchange).zone
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _time_of_session(instrument, text, argument)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _time_of_session(instrument: PolledInstrument, text: str, argument: str) -> datetime:
    try:
        of_day = time.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{argument}: {text[:32]!r} is not a time: write 09:15 or 2026-12-01T09:15."
        ) from None
    session = session_for(instrument, market_now())
    if session is None:
        raise CommandError(f"{argument}: no session is known; give the day too.")
    return datetime.combine(session.session_date, of_day)


def _line(each: RolledMinute) -> str:
    return json.dumps(
        {
            "slug": each.slug,
            "expiry": each.expiry.isoformat(),
            "minute": each.minute.isoformat(),
            "samples_held": each.samples_seen,
            "samples_expected": each.samples_expected,
            "written": each.written,
        }
    )


def _summary(rolled: list[RolledMinute]) -> str:
    written = [each for each in rolled if each.written]
    gaps = sum(each.is_gap for each in written)
    return (
        f"{len(rolled)} minutes: {len(written) - gaps} built from their samples, {gaps} marked as "
        f"gaps, {len(rolled) - len(written)} left as they are."
    )
