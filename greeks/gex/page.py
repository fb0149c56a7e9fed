"""The data of the gamma exposure page: the last known answer, never a new one.

The page's script asks for a new one, so that the page itself waits for no provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time
from functools import cached_property, partial
from typing import Any

from django.http import HttpRequest

from config.core.api.address import AddressValues
from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import InvalidInput, NotFound
from config.core.web import formatting
from config.core.web.filter_fields import FilterField, choice_field, day_field
from greeks.gex.body import session_day
from greeks.gex.chains.subjects import Subject, gex_subjects
from greeks.gex.engine.definition import DEALERS, DEFINITIONS
from greeks.gex.history import kept_gex, snapshot_dates
from greeks.gex.questions import GexQuestion
from greeks.gex.reading import known_gex
from greeks.gex.shapes import GexData
from greeks.market.chain import parse_time

#: Why there is no zero gamma, as REASONS in static/js/gex/facts.js.
REASONS = {
    "thin": "too few strikes",
    "one_sided": "one sign throughout",
    "edge": "only beyond ±20 %",
}
_FACTS = (
    "gamma_exposure", "absolute_exposure", "vanna_exposure", "charm_exposure", "spot",
    "call_wall", "put_wall", "largest_call_strike", "largest_put_strike", "zero_dte_share",
    "source", "timestamp", "open_interest_as_of",
)  # fmt: skip
#: Strikes shown without JavaScript lie within this share of the spot.
_NEAR = 0.1


class GexPage:
    """The page of one address."""

    def __init__(self, request: HttpRequest) -> None:
        self.address = AddressValues(request.GET)
        #: Why there is no answer.
        self.problem = ""
        self.clock = {"now": market_now(), "frozen": market_clock_is_frozen()}
        self.question = self._asked()

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        return gex_subjects()

    @cached_property
    def subject(self) -> Subject | None:
        asked = self.address.text("symbol").upper()
        for each in self.subjects:
            if each.symbol == asked:
                return each
        if asked:
            self.address.refuse({"symbol": "No gamma exposure is computed for it."})
        return next(iter(self.subjects), None)

    def _asked(self) -> GexQuestion:
        if self.address.text("expiries"):
            self.address.refuse({"expiries": "They are chosen on the page."})
        return GexQuestion(
            symbol=self.subject.symbol if self.subject else None,
            definition=self.address.choice("definition", DEFINITIONS) or None,
            dealers=self.address.choice("dealers", DEALERS) or None,
        )

    @property
    def definition(self) -> str:
        return self.question.chosen_definition.name

    @property
    def dealers(self) -> str:
        return self.question.chosen_dealers.name

    @property
    def definition_words(self) -> str:
        return self.question.chosen_definition.words

    @property
    def definition_version(self) -> str:
        return self.question.chosen_definition.key

    @property
    def dealers_words(self) -> str:
        return self.question.chosen_dealers.words

    @property
    def zero_gamma_note(self) -> str:
        """Return the level's distance from the spot, or why there is no level."""
        if self.body is None:
            return ""
        flip, spot = self.body.zero_gamma, self.body.spot
        if flip.reason is not None:
            return REASONS[flip.reason]
        distance = formatting.points(100 * (flip.level / spot - 1)) if flip.level and spot else None
        return f"{distance} from spot" if distance else ""

    @cached_property
    def today(self) -> date:
        return session_day(self.subject, market_now()) if self.subject else market_now().date()

    @cached_property
    def dates(self) -> Sequence[date]:
        """Return the days that can be shown, newest first."""
        kept = snapshot_dates(self.subject, self.question) if self.subject else ()
        return sorted({self.today, *kept, *([self.day] if self.day else ())}, reverse=True)

    @cached_property
    def day(self) -> date | None:
        """Return the past day that the address asks for, or today for a past time of it."""
        asked = self.address.day("date")
        if self.at is None:
            return None if asked == self.today else asked
        return asked or self.today

    @cached_property
    def at(self) -> time | None:
        """Return the time of day of the snapshot that the address asks for."""
        return self.address.read("at", parse_time)

    @cached_property
    def body(self) -> GexData | None:
        """Return the last known answer, or the snapshot asked for; ``None`` if there is none."""
        if self.subject is None:
            return None
        try:
            if self.day is not None:
                return kept_gex(self.question, self.day, self.at)
            return known_gex(self.subject, self.question)
        except (InvalidInput, NotFound) as error:
            self.problem = error.message
            return None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return the figures of the strip; ``None`` where nothing is known."""
        facts: dict[str, Any] = dict.fromkeys((*_FACTS, "zero_gamma", "gamma_without_zero_dte"))
        body = self.body
        if body is None:
            return facts | {"crossings": 0}
        facts |= {name: getattr(body, name) for name in _FACTS}
        if body.detail is not None:
            facts["gamma_without_zero_dte"] = body.detail.without_zero_dte.gamma_exposure
        flip = body.zero_gamma
        return facts | {"zero_gamma": flip.level, "crossings": len(flip.crossings)}

    @property
    def expiries(self) -> Sequence[date]:
        detail = self.body and self.body.detail
        return detail.by_expiry.expiry if detail else ()

    @property
    def pickers(self) -> Sequence[FilterField]:
        one, symbol = partial(choice_field, every=None), self.subject.symbol if self.subject else ""
        definitions = [(name, name.replace("_", " ").capitalize()) for name in DEFINITIONS]
        dealers = [(each.name, each.words) for each in DEALERS.values()]
        return (
            one("symbol", "Symbol", symbol, [(each.symbol, each.symbol) for each in self.subjects]),
            day_field("expiries", "Expiry", None, self.expiries),
            one("definition", "Definition", self.definition, definitions),
            one("dealers", "Dealers are", self.dealers, dealers),
            day_field("date", "Day", self.day or self.today, self.dates, every=None),
        )

    @property
    def simulated(self) -> bool:
        return self.subject is not None and self.subject.simulated

    @property
    def near_strikes(self) -> Sequence[tuple[float, float | None, float | None]]:
        """Return strike, call and put exposure within a tenth of the spot."""
        body = self.body
        if body is None or body.detail is None or body.spot is None:
            return ()
        rows = body.detail.by_strike
        return [
            (strike, call, put)
            for strike, call, put in zip(rows.strike, rows.call, rows.put, strict=True)
            if abs(strike / body.spot - 1.0) <= _NEAR
        ]
