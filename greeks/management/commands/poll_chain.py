"""``manage.py poll_chain``: poll option chains by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.clock import market_clock_is_frozen, market_now
from config.core.commands.command import DeskCommand
from config.core.commands.options import day
from config.core.errors import ApplicationError
from greeks.calendar.exchanges import exchange_named
from greeks.models import PolledInstrument
from greeks.polling.forming_minute import known, sums_by_greek
from greeks.polling.instruments import (
    enabled_instruments,
    instrument_by_slug,
    poll_seconds_by_slug,
    polled_expiries,
)
from greeks.polling.listing import listing_is_due, refresh_listing
from greeks.polling.poll import Outcome, Poll, poll_chain
from greeks.polling.slots import slot_of


class Command(DeskCommand):
    help = (
        "Poll the chains of one instrument, or of all enabled ones, and print the result. In "
        "session the sample counts, unless the slot was already polled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", nargs="?", help="for example nifty-50; all if omitted")
        parser.add_argument("--expiry", type=day, metavar="YYYY-MM-DD", help="only this expiry")
        parser.add_argument(
            "--watch", action="store_true", help="repeat at each instrument's interval until Ctrl-C"
        )
        parser.add_argument(
            "--json", action="store_true", help="one JSON line per poll, for scripts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug, expiry, as_json = options["slug"], options["expiry"], options["json"]
        if expiry and not slug:
            raise CommandError("--expiry: name its instrument too.")
        if options["watch"]:
            self._watch(slug, expiry, as_json=as_json)
            return
        polls = self._poll(slug, expiry, as_json=as_json)
        if not polls:
            raise CommandError("Nothing to poll: no unexpired expiry is listed.")
        failed = sum(poll.outcome in (Outcome.FAILED, Outcome.UNSTORED) for poll in polls)
        if failed:
            raise CommandError(f"{failed} of {len(polls)} chains were not polled.")

    def _watch(self, slug: str | None, expiry: date | None, *, as_json: bool) -> None:
        while True:
            self._poll(slug, expiry, as_json=as_json, on_the_slot=True)
            time.sleep(max(0.05, 1.0 - time.time() % 1.0))

    def _poll(
        self, slug: str | None, expiry: date | None, *, as_json: bool, on_the_slot: bool = False
    ) -> list[Poll]:
        """Poll one after the other. ``on_the_slot``: only those whose slot begins this second."""
        at = market_now()
        instruments = _instruments(slug)
        seconds = poll_seconds_by_slug(instruments, at)
        polls = []
        for instrument in instruments:
            every = seconds[instrument.slug]
            slot = slot_of(at, every)
            if on_the_slot and (at - slot).total_seconds() >= 1.0 and not market_clock_is_frozen():
                continue
            instrument = self._listed(instrument, wanted=expiry is None)
            for each in (expiry,) if expiry else polled_expiries(instrument, at):
                poll = poll_chain(slug=instrument.slug, expiry=each, slot=slot, every_seconds=every)
                polls.append(poll)
                self.stdout.write(_line(poll) if as_json else _sentence(instrument, poll))
                # A pipe would hold back the lines of --watch for hours.
                self.stdout.flush()
        return polls

    def _listed(self, instrument: PolledInstrument, *, wanted: bool) -> PolledInstrument:
        if not wanted or not listing_is_due(instrument, market_now()):
            return instrument
        try:
            return refresh_listing(slug=instrument.slug)
        except ApplicationError as error:
            self.stderr.write(f"{instrument.slug}: its expiries were not listed: {error.message}")
            return instrument


def _instruments(slug: str | None) -> Sequence[PolledInstrument]:
    if slug is None:
        found = enabled_instruments()
        if not found:
            raise CommandError("No instrument is polled: add one in the admin.")
        return found
    try:
        return (instrument_by_slug(slug),)
    except ApplicationError as error:
        names = ", ".join(each.slug for each in enabled_instruments())
        raise CommandError(f"slug: {error.message} Polled: {names or 'none'}.") from None


def _line(poll: Poll) -> str:
    sample = poll.sample
    facts: dict[str, Any] = {
        "slug": poll.slug,
        "expiry": poll.expiry.isoformat(),
        "slot": poll.slot.isoformat(),
        "outcome": poll.outcome.value,
        "seconds": round(poll.seconds, 4),
        "error": poll.error or None,
    }
    if sample is not None:
        facts |= {
            "as_of": sample.as_of.isoformat(),
            "spot": known(sample.spot),
            "contracts": sample.sums.contracts,
            "contracts_without_greeks": sample.sums.contracts_without_greeks,
            "contracts_filled": sample.sums.contracts_filled,
            "sums": sums_by_greek(sample.sums.everything),
            "vendor": sums_by_greek(sample.sums.vendor),
        }
    return json.dumps(facts)


def _sentence(instrument: PolledInstrument, poll: Poll) -> str:
    zone = exchange_named(instrument.exchange).zone
    head = f"{poll.slug} {poll.expiry} {poll.slot.astimezone(zone):%H:%M:%S}: {poll.outcome}"
    if poll.sample is None:
        return f"{head}. {poll.error or 'Redis did not take the sample.'}"
    sums = poll.sample.sums
    delta, gamma, theta, vega = sums.everything[-1].tolist()
    return (
        f"{head}, {sums.contracts} contracts ({sums.contracts_filled} of "
        f"{sums.contracts_without_greeks} without Greeks filled), delta {delta:.4f}, gamma "
        f"{gamma:.6f}, theta {theta:.2f}, vega {vega:.2f}, spot {poll.sample.spot:.2f}, "
        f"{poll.seconds * 1000:.0f} ms"
    )
