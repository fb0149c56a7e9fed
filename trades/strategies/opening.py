"""What the grouping reads: each opening fill and what became of its lots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from greeks.domain import InstrumentKind, Right
from portfolio.domain import ExecutionKind

ZERO = Decimal(0)
_OPTIONS = frozenset({InstrumentKind.OPTION, InstrumentKind.FUTURE_OPTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class LegContract:
    """Of an instrument, what names a strategy. ``units`` are what one contract delivers."""

    id: int
    kind: InstrumentKind
    underlying: str
    currency: str
    units: Decimal
    expiry: date | None = None
    strike: Decimal | None = None
    right: Right | None = None

    def __hash__(self) -> int:
        return self.id

    @property
    def is_option(self) -> bool:
        return self.kind in _OPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How a part of a lot ended. ``order`` is the order it was closed by, or the instant.

    A provisional close has no execution; until it is final it is ``awaiting`` the statement.
    """

    execution: int | None
    #: The first revision's row.
    key: int | None
    at: datetime
    kind: ExecutionKind
    order: str
    session: date
    awaiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stored lot: open, or closed by one fill. Signed quantity; money as stored."""

    contract: LegContract
    quantity: Decimal
    multiplier: Decimal
    closing: Closing | None = None
    open_price: Decimal | None = None
    close_price: Decimal | None = None
    open_costs: Decimal = ZERO
    close_costs: Decimal = ZERO
    gross: Decimal | None = None
    net: Decimal | None = None

    @property
    def is_final(self) -> bool:
        """Closed, and not only provisionally: what it brought counts."""
        return self.closing is not None and not self.closing.awaiting

    def is_open_at(self, at: datetime) -> bool:
        return self.closing is None or self.closing.at > at


@dataclass(slots=True, kw_only=True)
class Opening:
    """An opening fill with its lots. ``key`` is the first revision's row.

    A close of unknown basis stands as an opening without a time (``is_known`` is false), under
    the key of the closing fill; ``at`` is then the instant of the close.
    """

    key: int
    at: datetime
    session: date
    order: str
    kind: ExecutionKind = ExecutionKind.TRADE
    is_known: bool = True
    #: The live revision, to which the lots refer.
    execution: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def contract(self) -> LegContract:
        return self.parts[0].contract

    @property
    def quantity(self) -> Decimal:
        """All that was opened, signed."""
        return sum((part.quantity for part in self.parts), ZERO)


def held_at(openings: Iterable[Opening], at: datetime) -> dict[LegContract, Decimal]:
    """Return the signed quantity of each contract that these openings still hold after ``at``."""
    held: dict[LegContract, Decimal] = {}
    for opening in openings:
        if opening.at > at or not opening.is_known:
            continue
        for part in opening.parts:
            if part.is_open_at(at):
                held[part.contract] = held.get(part.contract, ZERO) + part.quantity
    return {contract: quantity for contract, quantity in held.items() if quantity}
