"""What the market page shows for one request; each value is read on first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.http import HttpRequest, QueryDict

from config.core.api.address import AddressValues
from config.core.api.parameters import whole_number
from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import InvalidInput, NotFound
from greeks.calendar.coverage import calendar_note
from greeks.calendar.exchanges import exchange_named
from greeks.chains import SIDES
from greeks.market.bodies.questions import BUCKETS, MarketChoice, choice_for, question_of
from greeks.market.bodies.series import series_for
from greeks.market.chain import parse_time
from greeks.market.chain_panel import ChainPanel
from greeks.market.latest import last_minutes, last_row, latest_facts
from greeks.market.measures import (
    DIGITS,
    DRAWN_SIDES,
    GREEKS,
    MEASURES,
    SIDE_LABELS,
    SPANS,
    minute_text,
)
from greeks.market.pickers import instrument_choices
from greeks.models import PolledInstrument
from greeks.polling.instruments import enabled_instruments
from greeks.polling.sessions import session_for

#: Parameters that choose the chain; the others only say how to draw it.
CHOOSING = ("expiry", "date", "resolution", "delta_min", "delta_max")
#: Minutes shown without JavaScript.
MINUTES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGreek:
    """One Greek as its chart's read-out and the table of sums show it."""

    name: str
    label: str
    unit: str
    digits: int
    word: str | None
    change: float | None
    crossed: float | None
    rows: Sequence[Mapping[str, Any]]
    sums: Sequence[Mapping[str, Any]]


class MarketPage:
    """The page of one address.

    Raises (also on reading an attribute):
        NotFound: nothing has been polled for the instrument yet.
    """

    measures = MEASURES
    sides = DRAWN_SIDES
    spans = SPANS

    def __init__(self, request: HttpRequest) -> None:
        #: The page's script removes from the address what is not used.
        self.address = AddressValues(request.GET)
        self.now = market_now()
        self.clock = {"now": self.now, "frozen": market_clock_is_frozen()}
        #: The requested or default chain; ``None`` before anything was polled.
        self.choice = self._chosen()
        #: With the time of the kept chain that the address asks for.
        self.strikes = ChainPanel(self.choice, self.address.read("at", parse_time))
        self.side = self.address.choice("side", dict(DRAWN_SIDES), default="total")
        self.span = self._span()
        self.measure = self.address.choice("measure", dict(MEASURES), default="open_interest")

    def _span(self) -> str:
        # One that a drag chose is of any number of minutes.
        minutes = whole_number(self.address.text("span"))
        return str(minutes) if minutes else self.address.choice("span", dict(SPANS), default="day")

    # --- What is chosen ---
    @cached_property
    def instruments(self) -> tuple[PolledInstrument, ...]:
        return enabled_instruments()

    @cached_property
    def instrument(self) -> PolledInstrument | None:
        asked, key = self.address.text("instrument"), self.address.text("instrument_key")
        for each in self.instruments:
            if each.slug == asked or each.instrument_key == key:
                return each
        for name in ("instrument", "instrument_key"):
            if self.address.text(name):
                self.address.refuse({name: "It is not polled."})
        return next(iter(self.instruments), None)

    def _chosen(self) -> MarketChoice | None:
        if self.instrument is None:
            return None
        asked = {name: value for name in CHOOSING if (value := self.address.text(name))}
        while True:
            try:
                return self._choose(self.instrument, asked)
            except (InvalidInput, NotFound) as error:
                named = set(error.fields or ())
                # The ends of a range go together.
                ends = {"delta_min", "delta_max"}
                wrong = [
                    name for name in asked if name in named | (ends if named & ends else set())
                ]
                if not wrong:
                    return None
                # An instrument chosen beside another's expiry is no mistake worth a message.
                is_other = wrong == ["expiry"] and isinstance(error, NotFound)
                is_told = not (is_other and self.address.text("instrument"))
                told = error.fields if is_told else {}
                self.address.refuse({name: told.get(name, "") for name in wrong})
                for name in wrong:
                    del asked[name]

    def _choose(self, instrument: PolledInstrument, asked: Mapping[str, str]) -> MarketChoice:
        values = QueryDict(mutable=True)
        values.update({"slug": instrument.slug, **asked})
        return choice_for(question_of(values), self.now)

    @cached_property
    def listed(self) -> Mapping[str, Any]:
        """Return the instrument's expiries and days that have data."""
        return instrument_choices(self.instrument, self.now)

    @property
    def expiry(self) -> date | None:
        return self.choice.chain.expiry if self.choice else None

    @property
    def session_date(self) -> date:
        return self.choice.chain.session_date if self.choice else self.today

    @property
    def expiries(self) -> Sequence[date]:
        return _with(self.expiry, self.listed["expiries"])

    @property
    def dates(self) -> Sequence[date]:
        return _with(self.session_date, self.listed["dates"])[::-1]

    @cached_property
    def today(self) -> date:
        """Return the session shown unless another is requested."""
        session = session_for(self.instrument, self.now) if self.instrument else None
        return session.session_date if session else self.now.date()

    @property
    def is_live(self) -> bool:
        return self.strikes.is_live

    @property
    def resolution(self) -> str:
        return self.choice.resolution if self.choice else "1m"

    @property
    def delta_min(self) -> float:
        return self.choice.first_bucket / BUCKETS if self.choice else 0.0

    @property
    def delta_max(self) -> float:
        return self.choice.end_bucket / BUCKETS if self.choice else 1.0

    # --- What it says ---
    @cached_property
    def minutes(self) -> Mapping[str, Any] | None:
        """Return the last stored minutes; the page's script fetches the others."""
        return last_minutes(series_for(self.choice), MINUTES) if self.choice else None

    @cached_property
    def latest(self) -> Mapping[str, Any]:
        return latest_facts(self.minutes, self.strikes.chain)

    @property
    def simulated(self) -> bool:
        if self.minutes is not None:
            return bool(self.minutes["simulated"])
        return self.instrument is not None and self.instrument.simulated

    @property
    def session_text(self) -> str:
        """Return ``09:15–15:30 IST``, with the session's kind unless regular."""
        session = self.choice.session if self.choice else None
        if session is None or self.instrument is None:
            return ""
        zone = exchange_named(self.instrument.exchange).zone
        opens, closes = (at.astimezone(zone) for at in (session.opens_at, session.closes_at))
        kind = "" if session.kind == "regular" else f", {session.kind.replace('_', ' ')}"
        return f"{self.instrument.exchange} {opens:%H:%M}–{closes:%H:%M} {closes:%Z}{kind}"

    @property
    def calendar_known_until(self) -> date | None:
        return self.choice.calendar_known_until if self.choice else None

    @property
    def calendar_note(self) -> str:
        """Return the note on the exchange's day today."""
        if self.instrument is None:
            return ""
        today = market_now().astimezone(exchange_named(self.instrument.exchange).zone).date()
        return calendar_note(self.instrument.exchange, today)

    @property
    def latest_minute_text(self) -> str:
        return minute_text(last_row(self.minutes))

    @property
    def closed_minute_text(self) -> str:
        """Return the last minute due: the one velocities refer to."""
        rows = self.minutes["rows"] if self.minutes else ()
        return str(rows[-1]["minute"])[11:16] if rows else ""

    @property
    def data_url(self) -> str:
        """Return the address of the same figures as JSON."""
        values = QueryDict(mutable=True)
        if self.instrument and self.expiry:
            values["slug"], values["expiry"] = self.instrument.slug, self.expiry.isoformat()
            values["date"] = self.session_date.isoformat()
        return f"/market/data?{values.urlencode()}"

    @property
    def greeks(self) -> Sequence[ShownGreek]:
        return [self._greek(*named) for named in GREEKS]

    def _greek(self, name: str, label: str, unit: str) -> ShownGreek:
        row = last_row(self.minutes)
        missing = dict.fromkeys(("close", "change", "from_open"))
        sides = row["series"][name] if row else dict.fromkeys(SIDE_LABELS, missing)
        vendor = row["vendor"][name] if row and row["vendor"] else dict.fromkeys(SIDE_LABELS)
        moved = self.minutes["velocity"][name]["total"] if self.minutes else {}
        return ShownGreek(
            name=name,
            label=label,
            unit=unit,
            digits=DIGITS[name],
            word=moved.get("word"),
            change=moved.get("change"),
            crossed=sides["total"].get("crossed") if row else None,
            rows=[
                {"side": side, "label": text, **sides[side]} for side, text in SIDE_LABELS.items()
            ],
            sums=[
                {"side": side, "sum": sides[side]["close"], "vendor": vendor[side]}
                for side in SIDES
            ],
        )


def _with(chosen: date | None, days: Sequence[date]) -> list[date]:
    """Return the days, ascending, including the chosen one."""
    return sorted({*days, *([chosen] if chosen else [])})
