"""Rules 23 to 25: every measure against a value computed by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trades.analytics.returns import (
    daily_returns,
    drawdown,
    measure_returns,
    money_weighted,
    sharpe,
)
from trades.statistics.measures import distribution, labelled, measure, measure_groups
from trades.statistics.payoff import LegColumns, extremes

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def unknown(count: int) -> np.ndarray:
    return np.full(count, NAN)


def test_rule_24_measures_of_four_trades_by_hand() -> None:
    found = measure(column(100, -50, 0.004, 30), column(200, 100, NAN, NAN))
    assert (found.trades, found.wins, found.losses) == (4, 2, 1)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(130 / 50)
    assert found.expectancy == pytest.approx(80.004 / 4)
    # 0.5 R and -0.5 R.
    assert (found.expectancy_r, found.trades_with_risk) == (0.0, 2)
    assert (found.average_win, found.average_loss) == (65, -50)
    assert (found.largest_win, found.largest_loss) == (100, -50)


def test_rule_24_profit_factor_is_missing_without_losses() -> None:
    found = measure(column(10, 20), unknown(2))
    assert found.profit_factor is None
    assert found.largest_loss is None
    assert found.win_rate == 1.0


def test_rule_23_half_a_cent_is_neither_win_nor_loss() -> None:
    found = measure(column(0.0049, -0.0049, 0.005, -0.005), unknown(4))
    assert (found.wins, found.losses, found.trades) == (1, 1, 4)
    assert measure(column(0.001), unknown(1)).win_rate is None


def test_no_trades_have_no_measures() -> None:
    found = measure(column(), column())
    assert (found.trades, found.net) == (0, 0.0)
    assert found.win_rate is None
    assert found.expectancy is None


def test_rule_24_fewer_than_twenty_trades_are_shown_and_never_ranked() -> None:
    net = np.concatenate([np.full(19, 100.0), np.full(20, 1.0), np.full(25, 3.0)])
    labels = ["few"] * 19 + ["poor"] * 20 + ["good"] * 25
    groups = {group.label: group for group in measure_groups(net, unknown(64), labelled(labels))}
    assert (groups["few"].rank, groups["few"].measures.trades) == (None, 19)
    assert (groups["good"].rank, groups["poor"].rank) == (1, 2)


def test_groups_keep_the_order_given_and_leave_out_what_has_no_label() -> None:
    groups = measure_groups(
        column(1, 2, 3), unknown(3), labelled(["30+", "0-7", None]), order=["0-7", "8-29", "30+"]
    )
    assert [(group.label, group.measures.net) for group in groups] == [("0-7", 2.0), ("30+", 1.0)]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from("abc")), max_size=60))
def test_rule_23_groups_add_up_to_the_whole(rows: list[tuple[float, str]]) -> None:
    net = column(*(value for value, _ in rows))
    whole = measure(net, unknown(len(rows)))
    groups = measure_groups(net, unknown(len(rows)), labelled([label for _, label in rows]))
    for name in ("trades", "wins", "losses"):
        assert sum(getattr(group.measures, name) for group in groups) == getattr(whole, name)
    assert sum(group.measures.net for group in groups) == pytest.approx(whole.net, abs=1e-6)


@given(st.lists(st.integers(-(10**8), 10**8) | st.integers(-99, 99), min_size=1, max_size=60))
@example([29, 29, 29])
def test_every_trade_is_in_one_bin_of_the_distribution(cents: list[int]) -> None:
    values = [each / 100 for each in cents]
    bins = distribution(column(*values))
    assert sum(each.trades for each in bins) == len(values)
    assert len(bins) <= 45
    for each in bins:
        inside = sum(each.low <= value < each.high for value in values)
        assert each.trades == inside


def test_a_distribution_of_losses_alone_reaches_to_zero() -> None:
    bins = distribution(column(-2, -3))
    assert bins[0].low == -3.0
    assert bins[-1].high == pytest.approx(0.2)
    assert len(bins) == 16


def test_a_distribution_has_round_edges_and_one_at_zero() -> None:
    bins = distribution(column(-95, 10, 250))
    assert bins[0].low == -100
    assert bins[0].high == -80
    assert any(each.low == 0 for each in bins)


def test_rule_24_sharpe_counts_idle_days() -> None:
    busy = column(0.01, -0.005, 0.02)
    # Mean 0.25/30 %, by hand: mean 0.0083333, sd 0.0125831.
    assert sharpe(busy, risk_free=0.0) == pytest.approx(0.0083333 / 0.0125831 * 252**0.5, rel=1e-4)
    idle = np.concatenate([busy, np.zeros(3)])
    assert sharpe(idle, risk_free=0.0) == pytest.approx(0.0041667 / 0.0091742 * 252**0.5, rel=1e-3)
    assert sharpe(np.zeros(5), risk_free=0.04) is None
    assert sharpe(column(0.01), risk_free=0.0) is None


def test_rule_24_a_deposit_is_no_return() -> None:
    days = [date(2026, 1, 5) + timedelta(days=number) for number in range(3)]
    found = measure_returns(days, column(100, 210, 231), column(0, 100, 0), risk_free=0.0)
    assert found.time_weighted == pytest.approx(1.1 * 1.1 - 1)


def test_rule_24_links_without_a_base_are_skipped_and_counted() -> None:
    days = [date(2026, 1, 5) + timedelta(days=number) for number in range(4)]
    found = measure_returns(days, column(0, 100, -5, 50), column(0, 100, 0, 50), risk_free=0.0)
    assert found.skipped == 2
    assert found.time_weighted == pytest.approx(-1.05)
    assert np.isnan(daily_returns(column(0, 1), column(0, 0))[0])


@pytest.mark.parametrize(("last", "known"), [(1, False), (27, False), (28, True)])
def test_figures_per_year_need_four_weeks(last: int, known: bool) -> None:
    days = [date(2026, 1, 5) + timedelta(days=number) for number in (0, *sorted({1, last}), last)]
    found = measure_returns(days, column(100, 101, 102, 103)[: len(days)],
                            column(0, 0, 0, 0)[: len(days)], risk_free=0.0)  # fmt: skip
    assert found.time_weighted is not None
    assert [each is not None for each in (found.money_weighted, found.sharpe)] == [known, known]


def test_rule_24_xirr_by_hand() -> None:
    days = [date(2025, 1, 1), date(2026, 1, 1)]
    assert money_weighted(days, column(1000, 1100), column(0, 0)) == pytest.approx(0.10)
    # 1000 and after a year 1000 more; two years later 2310: 10 % a year.
    days = [date(2025, 1, 1), date(2026, 1, 1), date(2027, 1, 1)]
    found = money_weighted(days, column(1000, 2100, 2310), column(0, 1000, 0))
    assert found == pytest.approx(0.10)
    assert money_weighted(days[:1], column(1000), column(0)) is None


def test_rule_24_drawdown_counts_a_loss_from_the_start() -> None:
    found = drawdown(column(-100, -50, 400, -300), start=1000.0)
    assert found.money == 300
    assert found.share == pytest.approx(300 / 1250)
    first = drawdown(column(-200, 500), start=1000.0)
    assert (first.money, first.share) == (200, 0.2)
    assert drawdown(column(10, -30), start=None).share is None
    assert drawdown(column(), start=None).money == 0


def legs(*rows: tuple[int, float, float, float, float, float]) -> LegColumns:
    trade, kind, strike, units, price, expiry = zip(*rows, strict=True)
    return LegColumns(
        trade=np.array(trade, dtype=np.intp),
        kind=column(*kind),
        strike=column(*strike),
        units=column(*units),
        price=column(*price),
        expiry=column(*expiry),
    )


def test_initial_risk_of_common_strategies_by_hand() -> None:
    found = legs(
        # Put credit spread 100/95 for 1.50.
        (0, -1, 100, -100, 2.0, 1), (0, -1, 95, 100, 0.5, 1),
        # Naked put: it can lose down to zero.
        (1, -1, 100, -100, 2.0, 1),
        # Naked call: no limit.
        (2, 1, 100, -100, 2.0, 1),
        # Long call: the premium; no limit to its gain.
        (3, 1, 100, 100, 2.0, 1),
        # Covered call.
        (4, 0, 0, 100, 100.0, NAN), (4, 1, 105, -100, 2.0, 1),
        # Calendar: two expiries.
        (5, 1, 100, -100, 1.0, 1), (5, 1, 100, 100, 2.0, 2),
        # Unknown price.
        (6, -1, 100, -100, NAN, 1),
        # Iron condor 90/95/105/110 for 2.
        (7, -1, 90, 100, 0.5, 1), (7, -1, 95, -100, 1.5, 1),
        (7, 1, 105, -100, 1.5, 1), (7, 1, 110, 100, 0.5, 1),
    )  # fmt: skip
    loss, gain = extremes(found, 9)
    np.testing.assert_allclose(loss, [350, 9800, NAN, 200, 9800, NAN, NAN, 300, NAN])
    np.testing.assert_allclose(gain, [150, 200, 200, NAN, 700, NAN, NAN, 200, NAN])
