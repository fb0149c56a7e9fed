"""Adjusted options in the risk of the book: counted for what they deliver, or left out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from config.core.clock import market_now
from greeks.domain import InstrumentKind, Right
from greeks.maths import valuation
from portfolio.book.reading import read_book
from portfolio.exposure.totals import book_totals
from portfolio.models import Account, Position
from portfolio.risk.book import RiskBook, read_risk_book
from portfolio.risk.scenarios.book import scenario_book
from tests.factories import UserFactory
from tests.portfolio.risk.legs import stored_account, stored_option

pytestmark = pytest.mark.django_db


def hold(account: Account, **adjustment: Any) -> Position:
    """Hold two calls struck at 15 on SDS, which trades at 60, marked 3.65 per unit of 100."""
    position = stored_option(
        account,
        underlying="SDS",
        strike=15,
        right=Right.CALL.value,
        style="american",
        quantity=2,
        price="3.65",
        underlying_price=Decimal(60),
        delta_raw=0.5,
        gamma_raw=0.01,
        iv_raw=None,
    )
    for name, value in {"is_adjusted": True, **adjustment}.items():
        setattr(position.instrument, name, value)
    position.instrument.save()
    return position


def read(account: Account) -> RiskBook:
    return read_risk_book([account], with_closes=False)


def ready(book: RiskBook) -> Any:
    return scenario_book(
        book.legs,
        currency="USD",
        rates={},
        spots=book.spots,
        dividends={},
        at=market_now(),
    )


def test_delta_dollars_and_scenarios_use_the_shares_delivered() -> None:
    account = stored_account(UserFactory())
    hold(account, deliverable_shares=Decimal(20))

    book = read(account)
    [leg] = book.legs
    assert (leg.strike, leg.leg.multiplier, leg.leg.price) == (75.0, 20.0, 18.25)
    assert leg.leg.market_value == 730
    totals = book_totals(legs=book.plain, accounts=[], currency="USD", rates={})
    assert totals["delta"] == 2 * 20 * 0.5
    assert totals["dollar_delta"] == 2 * 20 * 0.5 * 60

    prepared = ready(book)
    assert prepared.left_out == ()
    assert prepared.base_values[0] == pytest.approx(730, rel=1e-3)
    # At a spot of 300, twenty shares are 6,000 against 1,500: the rest is time value.
    moved = prepared.base_values[0] + prepared.pnl([5.0], [0.0], [0.0])[0, 0, 0, 0]
    assert moved == pytest.approx(2 * (6000 - 1500), rel=0.05)


def test_cash_delivered_lowers_the_strike_per_share() -> None:
    account = stored_account(UserFactory())
    hold(account, deliverable_shares=Decimal(20), deliverable_cash=Decimal(300))
    book = read(account)
    assert book.legs[0].strike == 60.0
    assert float(valuation.value(ready(book).options)[0]) == pytest.approx(18.25, rel=1e-3)


def test_unknown_deliverable_is_left_out_with_the_reason() -> None:
    account = stored_account(UserFactory())
    hold(account)

    book = read(account)
    totals = book_totals(legs=book.plain, accounts=[], currency="USD", rates={})
    assert totals["legs_without_greeks"] == 1
    assert totals["market_value"] == 730
    [shown] = read_book([account]).positions
    told = [shown[name] for name in ("delta", "vega", "iv", "greeks_source", "deliverable")]
    assert told == [None] * 5
    [left_out] = ready(book).left_out
    assert left_out.reason == "an adjusted contract whose deliverable is unknown, or cash alone"


def test_ordinary_option_is_untouched() -> None:
    account = stored_account(UserFactory())
    hold(account, is_adjusted=False)
    [leg] = read(account).legs
    assert (leg.strike, leg.leg.multiplier, leg.leg.price) == (15.0, 100.0, 3.65)
    assert leg.leg.instrument_type == InstrumentKind.OPTION.value
    assert leg.expires_at is not None
    assert leg.expires_at > market_now() + timedelta(days=1)
