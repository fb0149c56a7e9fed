"""A trade's payoff over its underlying's price: as opened, as it is open, and today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from greeks.domain import Right
from portfolio.domain import ExecutionKind
from portfolio.exposure.columns import FloatArray
from portfolio.models import Account, Position
from portfolio.risk.book import RiskBook, read_risk_book
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.book import ScenarioBook, scenario_book
from portfolio.risk.what_if.legs import resized
from trades.life.shapes import TradePayoff
from trades.models import Trade, TradeFill, TradeLeg
from trades.strategies.payoff import PayoffLeg, payoff_at, payoff_prices

_SECONDS_A_DAY = 86_400.0
_FIRST = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Today:
    """The open legs as the account's book values them, with what each has brought so far."""

    book: ScenarioBook
    gained: FloatArray
    spot: float
    expiry_days: float | None

    def over(self, prices: FloatArray, *, days: float) -> FloatArray:
        """Return the profit before costs so many days ahead, (prices,)."""
        moved = self.book.pnl(prices / self.spot, [0.0], [days])[0, 0]
        profit: FloatArray = moved.sum(axis=1) + self.gained.sum()
        return profit


def read_payoff(trade: Trade) -> TradePayoff:
    """Return a trade's payoff before costs. Nine queries."""
    legs = list(trade.legs.select_related("instrument"))
    left = [leg for leg in legs if leg.open_quantity]
    first = _first_legs(trade, legs)
    lacking: list[str] = _unknown_terms(legs)
    today = _today(trade, left, lacking) if left and not lacking else None
    spot = today.spot if today else None
    whole = [_leg(leg, leg.quantity) for leg in first]
    rest = [_leg(leg, leg.open_quantity) for leg in left]
    prices = payoff_prices([*whole, *rest], spot)
    columns = np.array(prices, dtype=np.float64)
    opened = still = now = None
    if not _unknown_terms(legs):
        opened = _numbers(payoff_at(whole, prices)) if _is_of_one_expiry(first) else None
        if left and _is_of_one_expiry(left):
            still = _numbers(payoff_at(rest, prices)) if rest != whole else None
        elif today is not None and today.expiry_days is not None:
            still = _numbers(today.over(columns, days=today.expiry_days))
    if today is not None:
        now = _numbers(today.over(columns, days=0.0))
    return TradePayoff(
        id=str(trade.key),
        currency=trade.currency,
        spot=spot,
        as_of=trade.account.last_synced_at,
        strikes=sorted({float(leg.strike) for leg in [*whole, *rest] if leg.strike is not None}),
        underlying=_numbers(columns),
        opened=opened,
        open=still,
        now=now,
        lacking=lacking,
    )


def _today(trade: Trade, left: Sequence[TradeLeg], lacking: list[str]) -> _Today | None:
    """Return the open legs as the book values them; ``None``, with the reason, if it cannot."""
    risk_book = read_risk_book([trade.account], with_closes=False)
    found = _legs_in_book(trade.account, left, risk_book)
    missing = [leg for leg in left if leg.instrument_id not in found]
    if missing:
        names = ", ".join(leg.instrument.symbol for leg in missing[:4])
        lacking.append(f"Today: the account's book does not hold {names}.")
        return None
    sized = {
        pk: resized(risk, float(leg.open_quantity))
        for leg in left
        for pk, risk in [(leg.instrument_id, found[leg.instrument_id])]
    }
    book = scenario_book(
        list(sized.values()),
        currency=trade.currency,
        rates={},
        spots=risk_book.spots,
        dividends=risk_book.dividends,
        at=risk_book.at,
    )
    if book.left_out:
        lacking.extend(f"Today: {each.leg.symbol}, {each.reason}." for each in book.left_out)
        return None
    gained = []
    for leg in left:
        value = sized[leg.instrument_id].leg.market_value
        if value is None or leg.open_price is None:
            lacking.append(f"Today: {leg.instrument.symbol} has no mark or no opening price.")
            return None
        paid = leg.open_price * leg.open_quantity * leg.instrument.multiplier
        gained.append(value - float(paid))
    spot = float(book.spots[0])
    return _Today(
        book=book,
        gained=np.array(gained),
        spot=spot,
        expiry_days=_days_to_first_expiry(book, risk_book.at),
    )


def _first_legs(trade: Trade, legs: Sequence[TradeLeg]) -> list[TradeLeg]:
    """Return what was opened by trades of its first day: no delivered shares, no rolled legs."""
    fills = trade.fills.filter(
        role=TradeFill.Role.OPEN.value, execution__kind=ExecutionKind.TRADE.value
    )
    traded = set(fills.values_list("execution__instrument", flat=True))
    found = [
        leg
        for leg in legs
        if leg.instrument_id in traded
        and leg.opened_at is not None
        and trade.opened_at is not None
        and leg.opened_at - trade.opened_at <= _FIRST
    ]
    return found or list(legs)


def _is_of_one_expiry(legs: Sequence[TradeLeg]) -> bool:
    """Whether all end at one instant: the morning's and the afternoon's of one day do not."""
    contracts = [leg.instrument for leg in legs if leg.instrument.strike is not None]
    return len({contract.expires_at or contract.expiry for contract in contracts}) <= 1


def _unknown_terms(legs: Sequence[TradeLeg]) -> list[str]:
    found = []
    for leg in legs:
        contract = leg.instrument
        if leg.open_price is None:
            found.append(f"The opening price of {contract.symbol} is not known.")
        elif contract.is_adjusted and not contract.deliverable_shares:
            found.append(f"What {contract.symbol} delivers is not known.")
    return found


def _legs_in_book(account: Account, left: Sequence[TradeLeg], book: RiskBook) -> dict[int, RiskLeg]:
    """Return the book's legs by instrument."""
    rows = Position.objects.filter(
        account=account, instrument__in=[leg.instrument_id for leg in left]
    ).values_list("pk", "instrument_id")
    instruments = {str(pk): instrument for pk, instrument in rows}
    return {instruments[leg.id]: leg for leg in book.legs if leg.id in instruments}


def _days_to_first_expiry(book: ScenarioBook, at: datetime) -> float | None:
    ends = [leg.expires_at for leg in book.legs if leg.is_option and leg.expires_at is not None]
    if not ends:
        return None
    return max(0.0, (min(ends) - at).total_seconds() / _SECONDS_A_DAY)


def _leg(leg: TradeLeg, quantity: Decimal) -> PayoffLeg:
    """Return a leg for the payoff. An adjusted option's terms are those per share it delivers."""
    contract = leg.instrument
    units = contract.multiplier
    if contract.is_adjusted and contract.deliverable_shares:
        units = contract.deliverable_shares
    scale = contract.multiplier / units
    cash = (contract.deliverable_cash or Decimal(0)) / units if scale != 1 else Decimal(0)
    return PayoffLeg(
        quantity=quantity,
        multiplier=units,
        price=(leg.open_price or Decimal(0)) * scale,
        strike=None if contract.strike is None else contract.strike * scale - cash,
        right=Right(contract.right) if contract.right else None,
    )


def _numbers(values: Sequence[Decimal] | FloatArray) -> list[float]:
    return [float(value) for value in values]
