"""The desk's terms: an instrument, a quote, a set of Greeks.

Conventions, everywhere in the project: delta per 1 of the underlying, gamma per 1 of the
underlying, theta per calendar day, vega and rho per 1 percentage point, implied volatility as a
fraction (0.25 = 25 %). Greeks are those of one long contract per unit of the underlying: totals
multiply by signed quantity and multiplier. Missing is ``None``, never zero. Times are aware and in
UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item", covariant=True)


class InstrumentKind(StrEnum):
    STOCK = "stock"
    INDEX = "index"
    OPTION = "option"
    FUTURE = "future"
    FUTURE_OPTION = "future_option"
    CURRENCY = "currency"
    #: Pays a fixed amount if something happens; brokers send it as an option of yes or no.
    EVENT = "event_contract"


class ExerciseStyle(StrEnum):
    AMERICAN = "american"
    EUROPEAN = "european"


class Right(StrEnum):
    CALL = "C"
    PUT = "P"


class GreeksSource(StrEnum):
    """Where Greeks came from, best first. Values are stored and shown."""

    IBKR = "ibkr"
    TASTYTRADE = "tastytrade"
    POLYGON = "polygon"
    UPSTOX = "upstox"
    CBOE = "cboe"
    MODEL = "model"


#: An adjusted US option has its root with one digit: ``SDS1``. A FLEX root begins with one, and an
#: index in dollars may end in two: ``XINA50``.
ADJUSTED_ROOT = re.compile(r"(?P<name>[A-Z][A-Z./ -]*)\d", re.ASCII)

#: Options on ten shares, listed from 2013 to 2014, have a root that ends in 7 (``AAPL7``).
_MINI_SHARES = Decimal(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverable:
    """What one option contract delivers: units of the underlying, and money on top."""

    shares: Decimal
    cash: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Identity of one instrument as a provider describes it.

    ``symbol`` is for display: the ticker, or for options the OCC symbol (21 characters, root
    padded to six). ``aliases`` maps a provider name to that provider's own key (IBKR conid,
    Tastytrade symbol, …), by which the contract is found again. ``expires_at`` is the provider's
    own instant of expiry; ``None`` if it tells only a day. ``underlying_key`` is the identity of
    the future an option delivers, where the provider names it. ``deliverable`` and
    ``marked_adjusted`` are a provider's word on an adjusted option; most tell neither.
    """

    kind: InstrumentKind
    symbol: str
    underlying: str
    multiplier: Decimal
    currency: str
    root: str = ""
    expiry: date | None = None
    expires_at: datetime | None = None
    strike: Decimal | None = None
    right: Right | None = None
    exchange: str = ""
    description: str = ""
    underlying_key: str = ""
    deliverable: Deliverable | None = None
    marked_adjusted: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: Its identity once worked out, for ``instruments.identity.instrument_key``: a stream asks
    #: it of the same contracts every second.
    known_key: str = field(default="", init=False, repr=False, compare=False)

    @property
    def is_option(self) -> bool:
        return self.kind in (InstrumentKind.OPTION, InstrumentKind.FUTURE_OPTION)

    @property
    def is_adjusted(self) -> bool:
        """Return whether a split or merger changed what the option delivers."""
        if self.kind is not InstrumentKind.OPTION:
            return False
        if self.marked_adjusted or self.deliverable is not None:
            return True
        if self.multiplier == _MINI_SHARES and self.root.endswith("7"):
            return False
        return self.currency == "USD" and bool(ADJUSTED_ROOT.fullmatch(self.root.upper()))

    @property
    def delivered(self) -> Deliverable | None:
        """Return what one contract delivers; ``None`` if adjusted and nobody told how."""
        return self.deliverable if self.is_adjusted else Deliverable(shares=self.multiplier)

    @property
    def may_be_negative(self) -> bool:
        """Return whether a price below zero is possible: futures on energy have traded there."""
        return self.kind is InstrumentKind.FUTURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A provider's quote of one contract. Any price may be missing."""

    contract: Contract
    source: str
    as_of: datetime
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    mark: Decimal | None = None
    opening_price: Decimal | None = None
    previous_close: Decimal | None = None
    volume: int | None = None
    open_interest: int | None = None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of bid and ask; ``None`` if crossed, or both 0 (an empty book)."""
        if self.bid is None or self.ask is None or self.bid > self.ask:
            return None
        if self.bid == self.ask == 0:
            return None
        return (self.bid + self.ask) / 2

    @property
    def is_mark_outside(self) -> bool:
        """Return whether the mark lies outside bid and ask; the mid then values the position."""
        if self.mark is None or self.bid is None or self.ask is None:
            return False
        return not self.bid <= self.mark <= self.ask and self.mid is not None

    @property
    def price(self) -> Decimal | None:
        """Mark (unless outside bid and ask), else mid, else last: the price that values a
        position."""
        if self.mark is not None and not self.is_mark_outside:
            return self.mark
        mid = self.mid
        return self.last if mid is None else mid


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeks:
    """Greeks of one long contract per unit of the underlying (units: see the module)."""

    source: str
    as_of: datetime
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    implied_volatility: float | None = None
    underlying_price: float | None = None

    @property
    def is_complete(self) -> bool:
        return None not in (self.delta, self.gamma, self.theta, self.vega)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One contract's market data from one provider: its quote and, for options, its Greeks.

    ``faults`` name the numbers that cannot be true (``delta: -999 is impossible``): they are
    missing here.
    """

    contract: Contract
    quote: Quote | None
    greeks: Greeks | None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyClose:
    """Closing price of one session of a stock or index, adjusted for splits."""

    symbol: str
    session_date: date
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that failed validation on arrival: kept with its reason, never dropped."""

    kind: str
    reason: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Generic[Item]):
    """One complete answer: accepted items, rejected rows, and when and where it came from.

    ``len(items) + len(rejected)`` equals the number of rows the provider sent. If the answer may
    be partial, ``left_out`` maps each subject not fetched to its end (an underlying) to a one-line
    reason. Empty: nothing was left out.
    """

    items: tuple[Item, ...]
    rejected: tuple[RejectedRow, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    source: str
    as_of: datetime
