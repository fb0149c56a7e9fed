"""Returns against independent oracles: pyxirr, and the chain written out."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from trades.analytics.returns import Floats, daily_returns, money_weighted, return_drawdown

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
