"""Returns against independent oracles: pyxirr, the chain written out, and printed examples."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from trades.analytics.returns import (
    Floats,
    daily_returns,
    measure_returns,
    money_weighted,
    return_drawdown,
)

moves = st.floats(-0.2, 0.2)
flows = st.sampled_from([0.0, 0.0, 0.0, 500.0, -100.0])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[date], Floats, Floats]:
    """Return days, closing balances and flows of an account that never runs dry."""
    count = draw(st.integers(2, 40))
    day, balance = date(2026, 1, 5), draw(st.floats(1_000, 10_000))
    days, balances, paid = [day], [balance], [0.0]
    for _ in range(count):
        day += timedelta(days=draw(st.integers(1, 5)))
        flow = draw(flows)
        balance = balance * (1 + draw(moves)) + flow
        assume(balance > 10)
        days.append(day)
        balances.append(balance)
        paid.append(flow)
    return days, np.array(balances), np.array(paid)


@given(histories())
def test_money_weighted_return_is_that_of_pyxirr(
    history: tuple[list[date], Floats, Floats],
) -> None:
    days, balance, paid = history
    ours = money_weighted(days, balance, paid)
    amounts = -paid
    amounts[0] = -balance[0]
    amounts[-1] += balance[-1]
    if ours is not None and abs(ours) < 10:
        theirs = pyxirr.xirr(days, amounts.tolist(), guess=ours)
        assert theirs is not None
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)


@given(histories())
def test_daily_returns_are_the_moves_without_the_flows(
    history: tuple[list[date], Floats, Floats],
) -> None:
    _, balance, paid = history
    worth, highest, deepest = 1.0, 1.0, 0.0
    for before, after, flow in zip(balance[:-1], balance[1:], paid[1:], strict=True):
        worth *= (after - flow) / before
        highest = max(highest, worth)
        deepest = max(deepest, 1 - worth / highest)
    returns = daily_returns(balance, paid)
    assert np.prod(1 + returns) == pytest.approx(worth)
    assert return_drawdown(returns) == pytest.approx(deepest)


def test_two_years_of_a_share_return_what_the_textbook_prints() -> None:
    """DeFusco, McLeavey, Pinto, Runkle: Quantitative Investment Analysis, on portfolio returns.

    A share is bought at 200 and another a year later at 225, after a dividend of 5; both are sold
    at 235 after dividends of 5 each. 15 % and 6.67 %, 10.76 % a year; money-weighted 9.39 %.
    """
    days = [date(2025, 1, 1), date(2026, 1, 1), date(2027, 1, 1)]
    balance, paid = np.array([200.0, 450.0, 480.0]), np.array([0.0, 225.0 - 5.0, 0.0])
    found = measure_returns(days, balance, paid, risk_free=0.0)
    assert daily_returns(balance, paid) == pytest.approx([0.15, 480 / 450 - 1])
    assert found.time_weighted is not None
    # The book chains rounded returns.
    assert (1 + found.time_weighted) ** 0.5 - 1 == pytest.approx(0.1076, abs=1e-4)
    assert found.money_weighted is not None
    assert round(found.money_weighted, 4) == 0.0939


def test_irregular_flows_return_what_the_function_of_spreadsheets_documents() -> None:
    """The example in Microsoft's documentation of XIRR: 0.373362535."""
    days = [
        *(date(2008, 1, 1), date(2008, 3, 1), date(2008, 10, 30)),
        *(date(2009, 2, 15), date(2009, 4, 1)),
    ]
    balance = np.array([10_000.0, 0.0, 0.0, 0.0, 2_750.0])
    paid = np.array([0.0, -2_750.0, -4_250.0, -3_250.0, 0.0])
    assert money_weighted(days, balance, paid) == pytest.approx(0.373362535, abs=1e-8)


def test_drawdown_is_the_product_from_peak_to_trough() -> None:
    assert return_drawdown(np.array([0.10, -0.20, 0.05, -0.10, 0.50])) == pytest.approx(
        1 - 0.8 * 1.05 * 0.9
    )
