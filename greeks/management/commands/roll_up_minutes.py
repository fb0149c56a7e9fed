"""``manage.py roll_up_minutes``: rebuild a range of minutes from the samples still held."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from config.core.clock import market_now
from config.core.errors import ApplicationError
from greeks.calendar.exchanges import exchange_named
from greeks.minutes.rebuild import rebuild
from greeks.minutes.roll_up import RolledMinute
from greeks.models import PolledInstrument
from greeks.polling.instruments import instrument_by_slug
from greeks.polling.sessions import session_for


class Command(BaseCommand):
    help = (
        "Roll up a range of minutes again. Samples are held for two hours: an older hole "
        "stays a marked gap, and a row with more samples than are left stays unchanged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="for example nifty-50")
        parser.add_argument(
            "--from",
            dest="start",
            required=True,
            metavar="TIME",
            help="first minute: 09:15 of the session shown, or 2026-12-01T09:15; exchange's time",
        )
        parser.add_argument(
            "--to", dest="end", metavar="TIME", help="end of the range, exclusive; default now"
        )
        parser.add_argument("--expiry", metavar="DATE", help="only this expiry, YYYY-MM-DD")
        parser.add_argument("--json", action="store_true", help="one JSON line per minute")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            instrument = instrument_by_slug(options["slug"])
            rolled = rebuild(
                slug=instrument.slug,
                start=_moment(instrument, options["start"], "--from"),
                end=_moment(instrument, options["end"], "--to") if options["end"] else market_now(),
                expiries=_expiries(options["expiry"]),
            )
        except ApplicationError as error:
            raise CommandError(_named(error)) from None
        except RedisError as error:
            raise CommandError(
                f"Redis does not answer ({type(error).__name__}): nothing was changed."
            ) from None
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


def _expiries(text: str | None) -> list[date] | None:
    try:
        return [date.fromisoformat(text)] if text else None
    except ValueError:
        raise CommandError(f"--expiry: {text!r:.34} is not a date: write YYYY-MM-DD.") from None


def _named(error: ApplicationError) -> str:
    wanted = "; ".join(f"--{field}: {expected}" for field, expected in error.fields.items())
    return f"{error.message} {wanted}".strip()


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
