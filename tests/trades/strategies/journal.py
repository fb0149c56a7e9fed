"""A small journal for tests of trades: fills of options and shares, matched into lots."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from greeks.domain import InstrumentKind, Right
from portfolio.domain import ExecutionKind
from trades.lots.events import PositionEvent
from trades.lots.matching import match_lots
from trades.strategies.opening import Closing, LegContract, Opening, Part
from trades.strategies.trade import Trade, Trades, build_trades

DAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
_HUNDRED = Decimal(100)


class Journal:
    """Fills of one account and underlying. A contract is ``"P90 2026-07-18"`` or ``"stock"``."""

    def __init__(self) -> None:
        self.contracts: dict[str, LegContract] = {}
        self.events: list[PositionEvent] = []
        self.orders: dict[int, str] = {}

    def fill(
        self,
        quantity: int | str,
        contract: str,
        *,
        order: str = "",
        price: str | None = "1",
        day: int = 0,
        minute: int = 0,
        kind: ExecutionKind = ExecutionKind.TRADE,
        effect: str = "",
    ) -> int:
        """Record one fill; return its key."""
        number = len(self.events) + 1
        at = DAY + timedelta(days=day, minutes=minute)
        leg = self.contract(contract)
        self.events.append(
            PositionEvent(
                id=number,
                instrument=leg.id,
                multiplier=_HUNDRED if leg.is_option else Decimal(1),
                kind=kind,
                quantity=Decimal(quantity),
                at=at,
                price=None if price is None else Decimal(price),
                position_effect=effect,
            )
        )
        self.orders[number] = order or f"{kind} {at}"
        return number

    def order(self, order: str, *legs: str, day: int = 0, minute: int = 0) -> list[int]:
        """Record an order of legs like ``"-1 P90 2026-07-18"``."""
        return [self.fill(*leg.split(" ", 1), order=order, day=day, minute=minute) for leg in legs]

    def contract(self, text: str) -> LegContract:
        if text not in self.contracts:
            self.contracts[text] = _contract(text, len(self.contracts) + 1)
        return self.contracts[text]

    def build(self) -> Trades:
        """Return the trades of these fills."""
        by_id = {leg.id: leg for leg in self.contracts.values()}
        events = {event.id: event for event in self.events}
        found: dict[int, Opening] = {}
        lots = match_lots(self.events)
        for closed in lots.closed:
            opening = self._opening(found, closed.opened_by or closed.closed_by)
            opening.is_known = closed.opened_by is not None
            closer = events[closed.closed_by]
            opening.parts.append(
                Part(
                    contract=by_id[closed.instrument],
                    quantity=closed.quantity,
                    multiplier=closed.multiplier,
                    closing=Closing(
                        execution=closed.closed_by,
                        key=closed.closed_by,
                        at=closer.at,
                        kind=closer.kind,
                        order=self.orders[closed.closed_by],
                        session=closer.at.date(),
                    ),
                    open_price=closed.open_price,
                    close_price=closed.close_price,
                    gross=closed.gross,
                    net=closed.net,
                )
            )
        for lot in lots.open:
            self._opening(found, lot.opened_by).parts.append(
                Part(
                    contract=by_id[lot.instrument],
                    quantity=lot.quantity,
                    multiplier=lot.multiplier,
                    open_price=lot.price,
                )
            )
        return build_trades(found.values())

    def _opening(self, found: dict[int, Opening], key: int) -> Opening:
        first = next(event for event in self.events if event.id == key)
        return found.setdefault(
            key,
            Opening(
                key=key,
                at=first.at,
                session=first.at.date(),
                order=self.orders[key],
                kind=first.kind,
                execution=key,
            ),
        )

    def only(self) -> Trade:
        """Return the one trade of these fills."""
        (trade,) = self.build().trades
        return trade


def _contract(text: str, number: int) -> LegContract:
    if text == "stock":
        return LegContract(
            id=number,
            kind=InstrumentKind.STOCK,
            underlying="XYZ",
            currency="USD",
            units=Decimal(1),
        )
    name, expiry = text.split()
    return LegContract(
        id=number,
        kind=InstrumentKind.OPTION,
        underlying="XYZ",
        currency="USD",
        units=_HUNDRED,
        expiry=date.fromisoformat(expiry),
        strike=Decimal(name[1:]),
        right=Right(name[0]),
    )
