"""The risk report: sums of signed legs, visible portfolios, betas, missing numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core.clock import market_now, now
from config.core.errors import InvalidInput, NotFound
from greeks.models import Instrument
from portfolio.exposure.columns import UNIT_COLUMNS
from portfolio.models import Account, AccountAccess, Beta, DailyClose, FxRate, Portfolio, Quote
from portfolio.risk.report import risk_report
from tests.factories import AS_OF, UserFactory
from tests.portfolio.reading import read
from tests.portfolio.risk.legs import stored_account, stored_option, stored_stock

pytestmark = pytest.mark.django_db

SUMMED = ("market_value", "delta", "dollar_delta", "gamma", "dollar_gamma", "theta", "vega")


def store_closes(symbol: str, returns: Any, first: float = 100.0) -> None:
    prices = first * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    start = market_now().date() - timedelta(days=len(prices))
    DailyClose.objects.bulk_create(
        DailyClose(
            symbol=symbol, session_date=start + timedelta(days=index),
            close=Decimal(f"{price:.8f}"), source="polygon", as_of=AS_OF,
        )
        for index, price in enumerate(prices)
    )  # fmt: skip


@pytest.fixture
def account(trader: User) -> Account:
    account = stored_account(trader)
    stored_option(account, strike=600, right="P", quantity=-2)
    stored_option(account, strike=620, right="C", quantity=3, days=5)
    stored_option(account, underlying="AAPL", strike=250, right="P", quantity=-1, style="american",
                  underlying_price=Decimal(240))  # fmt: skip
    stored_stock(account, quantity=44)
    return account


def test_totals_equal_the_sums_of_signed_legs(trader: User, account: Account) -> None:
    report = risk_report(user=trader)
    assert len(report["legs"]) == 4
    for name in SUMMED:
        whole = report["totals"][name]
        if name in UNIT_COLUMNS:
            assert whole is None
            continue
        for part in ("legs", "accounts", "underlyings"):
            assert sum(row[name] for row in report[part]) == pytest.approx(whole), (name, part)
    short_put = next(leg for leg in report["legs"] if leg["strike"] == 600)
    assert short_put["delta"] == -0.5 * -2 * 100
    assert short_put["dollar_delta"] == 100 * 600.0
    assert short_put["dollar_gamma"] == pytest.approx(0.01 * -200 * 600 * 600 / 100)
    assert (short_put["model"], short_put["right"]) == ("european", "P")
    stock = next(leg for leg in report["legs"] if leg["model"] == "linear")
    assert (stock["delta"], stock["gamma"], stock["dollar_gamma"]) == (44.0, 0.0, 0.0)
    assert report["totals"]["theta_to_net_liq"] == pytest.approx(
        report["totals"]["theta"] / 100_000
    )
    assert report["totals"]["margin_use"] == pytest.approx(0.2)


def test_vega_is_told_by_tenor_and_gamma_near_expiry_apart(trader: User, account: Account) -> None:
    report = risk_report(user=trader)
    tenors = {row["tenor"]: row for row in report["vega_by_tenor"]}
    assert tenors["0–7 d"]["vega"] == pytest.approx(0.5 * 300)
    assert tenors["31–90 d"]["vega"] == pytest.approx(0.5 * -300)
    assert tenors[">365 d"]["vega"] == 0.0
    assert sum(row["legs"] for row in tenors.values()) == 3
    near = report["gamma_near_expiry"]
    assert near["gamma"] == pytest.approx(3.0)
    assert [(row["underlying"], row["legs"]) for row in near["by_underlying"]] == [("SPY", 1)]


def test_concentration_is_of_gross_amounts(trader: User, account: Account) -> None:
    shares = risk_report(user=trader)["concentration"]
    assert sum(row["gross_dollar_delta_share"] for row in shares) == pytest.approx(1.0)
    gross = {"SPY": (100 + 150 + 44) * 600.0, "AAPL": 50 * 240.0}
    assert shares[0]["underlying"] == "SPY"
    assert shares[0]["gross_dollar_delta_share"] == pytest.approx(
        gross["SPY"] / sum(gross.values())
    )


def test_expected_move_is_a_standard_deviation_at_the_money(trader: User, account: Account) -> None:
    moves = {row["underlying"]: row for row in risk_report(user=trader)["expected_move"][:1]}
    moves |= {
        (row["underlying"], row["dte"] > 7): row
        for row in risk_report(user=trader)["expected_move"]
    }
    far = moves["SPY", True]
    years = (
        datetime.combine(far["expiry"], datetime.min.time(), tzinfo=UTC)
        + timedelta(hours=21)
        - market_now()
    ) / timedelta(days=365)
    assert far["move"] == pytest.approx(600 * 0.2 * years**0.5, rel=1e-6)
    assert far["move_percent"] == pytest.approx(far["move"] / 6)
    assert far["source"] == "strike 600, ibkr"


def test_strike_far_from_the_money_tells_no_expected_move(trader: User) -> None:
    stored_option(stored_account(trader), strike=400)
    (move,) = risk_report(user=trader)["expected_move"]
    assert (move["move"], move["implied_volatility"]) == (None, None)
    assert "33% from the money" in move["source"]


@time_machine.travel("2026-11-20T16:00:00Z", tick=False)
def test_series_that_settled_this_morning_hides_no_move_until_the_close(trader: User) -> None:
    account = stored_account(trader)
    morning = stored_option(account, underlying="SPX", strike=600, days=0)
    morning.instrument.expires_at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    morning.instrument.save()
    assert risk_report(user=trader)["expected_move"] == []
    stored_option(account, underlying="SPX", strike=601, days=0)
    (move,) = risk_report(user=trader)["expected_move"]
    assert move["source"] == "strike 601, ibkr"
    assert move["move"] == pytest.approx(600 * 0.2 * (5 / 24 / 365) ** 0.5)


@pytest.mark.parametrize("net_liquidation", [None, 0, -5000])
def test_no_share_is_told_of_net_liquidation_that_is_missing_or_owed(
    trader: User, account: Account, net_liquidation: int | None
) -> None:
    account.status.net_liquidation = net_liquidation
    account.status.save()
    totals = risk_report(user=trader)["totals"]
    assert totals["net_liquidation"] == net_liquidation
    assert (totals["theta_to_net_liq"], totals["margin_use"]) == (None, None)


def test_beta_weighted_delta_needs_beta_and_price_and_counts_what_lacks_them(
    trader: User, account: Account
) -> None:
    report = risk_report(user=trader)
    assert report["totals"]["legs_without_beta"] == 1
    assert report["benchmark"]["price"] == 600.0
    spy = 100.0 + 150.0 + 44.0
    assert report["totals"]["beta_weighted_delta"] == pytest.approx(spy)
    Beta.objects.create(symbol="AAPL", benchmark="SPY", value=1.5, as_of=now())
    report = risk_report(user=trader)
    assert report["totals"]["legs_without_beta"] == 0
    assert report["totals"]["beta_weighted_delta"] == pytest.approx(spy + 50 * 240 * 1.5 / 600)
    rows = {row["underlying"]: row for row in report["underlyings"]}
    assert (rows["AAPL"]["beta"], rows["AAPL"]["beta_source"]) == (1.5, "set")
    assert (rows["SPY"]["beta"], rows["SPY"]["beta_source"]) == (1.0, "self")


def test_monitor_and_report_weight_with_the_same_price(
    trader: User, account: Account, signed_in: Client
) -> None:
    stock = Instrument.objects.get(kind="stock", symbol="SPY")
    Quote.objects.create(
        instrument=stock, symbol="SPY", price=Decimal(612), source="ibkr", as_of=now()
    )
    report = risk_report(user=trader)
    monitor = read(signed_in, "/api/portfolio/risk-monitor/fast")
    assert report["benchmark"]["price"] == 612.0
    assert monitor["totals"]["beta_weighted_delta"] == pytest.approx(
        report["totals"]["beta_weighted_delta"]
    )


def test_benchmark_is_chosen_and_its_betas_come_from_the_closes(
    trader: User, account: Account
) -> None:
    market = np.random.default_rng(3).normal(0, 0.01, 120)
    store_closes("QQQ", market, first=500)
    store_closes("AAPL", 1.2 * market)
    report = risk_report(user=trader, benchmark="QQQ")
    rows = {row["underlying"]: row for row in report["underlyings"]}
    assert rows["AAPL"]["beta"] == pytest.approx(1.2, rel=1e-4)
    assert (rows["AAPL"]["beta_source"], rows["AAPL"]["beta_observations"]) == ("history", 120)
    assert rows["SPY"]["beta"] is None
    assert report["benchmark"]["price"] == pytest.approx(500 * np.exp(market.sum()), rel=1e-6)
    assert report["value_at_risk"]["left_out"] == ["SPY"]
    assert report["value_at_risk"]["parametric"][0]["var"] > 0
    assert report["value_at_risk"]["scenario"][0]["var"] > 0


def test_benchmark_of_others_books_is_refused_like_an_unknown_one(
    trader: User, account: Account
) -> None:
    stored_stock(stored_account(UserFactory()), symbol="SECRET", price=10)
    store_closes("SECRET", np.full(80, 0.001))
    for name in ("SECRET", "NOSUCH"):
        with pytest.raises(InvalidInput) as caught:
            risk_report(user=trader, benchmark=name)
        assert "SECRET" not in str(caught.value.fields)
    assert "SECRET" not in risk_report(user=trader)["benchmark"]["choices"]
    assert risk_report(user=trader, benchmark="AAPL")["benchmark"]["symbol"] == "AAPL"


def test_portfolio_is_cut_to_what_its_owner_may_see_now(trader: User, account: Account) -> None:
    foreign = stored_account(UserFactory(), account_id="DU7777777")
    stored_stock(foreign, quantity=1000)
    named = Portfolio.objects.create(name="Both", owner=trader)
    named.accounts.add(account, foreign)
    alone = risk_report(user=trader, portfolio_id=named.pk)
    assert alone["totals"]["legs"] == 4
    access = AccountAccess.objects.create(user=trader, account=foreign)
    both = risk_report(user=trader, portfolio_id=named.pk)
    assert both["totals"]["legs"] == 5
    assert both["portfolios"][0]["dollar_delta"] == pytest.approx(
        alone["totals"]["dollar_delta"] + 1000 * 600
    )
    access.delete()
    assert risk_report(user=trader)["portfolios"][0]["legs"] == 4


def test_foreign_and_unknown_account_or_portfolio_look_the_same(trader: User) -> None:
    other = UserFactory()
    theirs = stored_account(other)
    named = Portfolio.objects.create(name="Theirs", owner=other)
    for values in ({"account_id": theirs.pk}, {"account_id": "NOSUCH"}, {"portfolio_id": named.pk},
                   {"portfolio_id": 999_999}):  # fmt: skip
        with pytest.raises(NotFound):
            risk_report(user=trader, **values)
    with pytest.raises(InvalidInput):
        risk_report(user=trader, account_id="A", portfolio_id=1)


def test_other_currency_is_converted_or_kept_apart_by_name(trader: User, account: Account) -> None:
    stored_stock(account, symbol="SAP", quantity=10, price=200, currency="EUR")
    report = risk_report(user=trader)
    before = report["totals"]["dollar_delta"]
    assert report["unconverted"] == ["EUR"]
    leg = next(leg for leg in report["legs"] if leg["symbol"] == "SAP")
    assert (leg["dollar_delta"], leg["delta"]) == (None, 10.0)
    FxRate.objects.create(base="USD", quote="EUR", rate=Decimal("1.1"), as_of=now(), source="ibkr")
    report = risk_report(user=trader)
    assert report["unconverted"] == []
    assert report["totals"]["dollar_delta"] == pytest.approx(before + 2200)


def test_missing_greeks_are_counted_never_noughts(trader: User) -> None:
    account = stored_account(trader)
    stored_option(account, delta_raw=None, gamma_raw=None, theta_raw=None, vega_raw=None)
    totals = risk_report(user=trader)["totals"]
    assert (totals["delta"], totals["theta"], totals["legs_without_greeks"]) == (None, None, 1)


def test_empty_desk_has_an_empty_report(trader: User) -> None:
    report = risk_report(user=trader)
    assert (report["totals"]["legs"], report["legs"], report["accounts"]) == (0, [], [])
    assert report["value_at_risk"]["parametric"] is None


@pytest.mark.parametrize("size", [2, 40])
def test_reading_costs_the_same_for_every_book(
    trader: User, size: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        account = stored_account(trader, account_id=f"DU{number}")
        for strike in range(size):
            stored_option(account, underlying=f"U{strike}", strike=500 + strike + 100 * number)
    with django_assert_max_num_queries(7):
        assert risk_report(user=trader)["totals"]["legs"] == 3 * size


def test_quote_of_an_index_is_the_price_of_its_options(trader: User) -> None:
    account = stored_account(trader)
    stored_option(account, underlying="SPX", strike=6000, underlying_price=None)
    index = stored_stock(stored_account(UserFactory()), symbol="SPX").instrument
    index.kind = "index"
    index.save()
    Quote.objects.create(
        instrument=index, symbol="SPX", price=Decimal(6010), source="ibkr", as_of=now()
    )
    report = risk_report(user=trader)
    assert report["underlyings"][0]["spot"] == 6010.0
    assert report["totals"]["dollar_delta"] == pytest.approx(100 * 6010.0)


def test_expired_leg_counts_in_the_first_tenor(trader: User) -> None:
    stored_option(stored_account(trader), days=-1)
    first = risk_report(user=trader)["vega_by_tenor"][0]
    assert first["legs"] == 1


def test_day_of_the_report_is_the_accounts_own(trader: User, account: Account) -> None:
    expiries = risk_report(user=trader)["expiries"]
    assert all(isinstance(row["expiry"], date) for row in expiries)
    assert sum(row["legs"] for row in expiries) == 3
