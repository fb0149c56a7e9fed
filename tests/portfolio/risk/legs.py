"""Made-up legs of a book for revaluation, and stored books for reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from config.core.clock import now
from greeks.models import Instrument
from portfolio.exposure.columns import Leg
from portfolio.models import Account, Position
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.book import ScenarioBook, scenario_book
from tests.factories import AccountFactory, AccountStatusFactory, OptionFactory, PositionFactory

AT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
SPOT = 600.0


def option_leg(
    *,
    strike: float = 600.0,
    right: str = "C",
    days: float = 45.0,
    iv: float | None = 0.2,
    style: str = "european",
    price: float | None = None,
    quantity: float = -2.0,
    **changes: Any,
) -> RiskLeg:
    expires_at = AT + timedelta(days=days)
    values: dict[str, Any] = {
        "underlying": "SPY",
        "instrument_type": "option",
        "expiry": expires_at.date(),
        "dte": int(days),
        "currency": "USD",
        "quantity": quantity,
        "multiplier": 100.0,
        "price": price,
        "market_value": None,
        "unrealized_pnl": None,
        "daily_change": None,
        "delta": 0.5,
        "gamma": 0.01,
        "theta": -0.1,
        "vega": 0.8,
        "underlying_price": SPOT,
        "stored_key": "",
    }
    values |= {name: changes.pop(name) for name in list(changes) if name in values}
    return RiskLeg(
        id=str(changes.pop("id", f"{right}{strike:g}/{days:g}")),
        symbol=f"SPY {strike:g} {right}",
        account_id=changes.pop("account_id", "DU1"),
        strike=strike,
        right=right,
        implied_volatility=iv,
        greeks_source="ibkr",
        exercise_style=style,
        expires_at=expires_at,
        leg=Leg(**values),
        **changes,
    )


def stock_leg(quantity: float = 100.0, price: float | None = SPOT, **changes: Any) -> RiskLeg:
    leg = option_leg(quantity=quantity, id="stock")
    values: dict[str, Any] = {
        "instrument_type": "stock",
        "multiplier": 1.0,
        "expiry": None,
        "dte": None,
        "price": price,
        "market_value": None if price is None else price * quantity,
        "underlying_price": None,
    }
    return leg._replace(
        symbol="SPY",
        strike=None,
        right="",
        implied_volatility=None,
        expires_at=None,
        leg=leg.leg._replace(**(values | changes)),
    )


def ready(*legs: RiskLeg, **changes: Any) -> ScenarioBook:
    values: dict[str, Any] = {
        "currency": "USD",
        "rates": {},
        "spots": {"stock:SPY:USD": SPOT},
        "dividends": {},
        "at": AT,
    }
    return scenario_book(legs, **(values | changes))


def stored_option(
    account: Account,
    *,
    underlying: str = "SPY",
    strike: int = 600,
    right: str = "P",
    days: int = 45,
    style: str = "european",
    quantity: int = -2,
    price: str = "12",
    **changes: Any,
) -> Position:
    at = (now() + timedelta(days=days)).replace(hour=21, minute=0, second=0, microsecond=0)
    instrument: Instrument = OptionFactory.create(
        symbol=f"{underlying:<6}{at:%y%m%d}{right}{strike * 1000:08d}",
        key=f"option:{underlying}:{at:%y%m%d}{right}{strike}",
        underlying=underlying,
        root=underlying,
        expiry=at.date(),
        expires_at=at,
        strike=Decimal(strike),
        right=right,
        exercise_style=style,
    )
    values: dict[str, Any] = {
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "market_value": Decimal(price) * quantity * 100,
        "delta_raw": 0.5 if right == "C" else -0.5,
        "iv_raw": 0.2,
    }
    position: Position = PositionFactory.create(
        account=account, instrument=instrument, **(values | changes)
    )
    return position


def stored_stock(
    account: Account, symbol: str = "SPY", quantity: int = 100, price: int = 600, **changes: Any
) -> Position:
    instrument: Instrument = OptionFactory.create(
        key=f"stock:{symbol}:{account.pk}", kind="stock", symbol=symbol, underlying=symbol,
        root="", expiry=None, strike=None, right="", multiplier=Decimal(1),
    )  # fmt: skip
    values: dict[str, Any] = {
        "quantity": Decimal(quantity), "price": Decimal(price),
        "market_value": Decimal(price * quantity), "underlying_price": None, "delta_raw": None,
        "gamma_raw": None, "theta_raw": None, "vega_raw": None, "iv_raw": None,
    }  # fmt: skip
    position: Position = PositionFactory.create(
        account=account, instrument=instrument, **(values | changes)
    )
    return position


def stored_account(owner: Any, **changes: Any) -> Account:
    values = {"owner": owner, "last_synced_at": now(), "book_version": 1}
    account: Account = AccountFactory.create(**(values | changes))
    AccountStatusFactory.create(account=account)
    return account
