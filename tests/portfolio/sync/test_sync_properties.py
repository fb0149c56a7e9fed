"""Whatever a broker answers, one answer after another: the book's invariants hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    RateLimitedError,
    RetryableError,
)
from portfolio.models import Account, Position, SyncRun
from portfolio.sync.run import sync_account
from tests.factories import AccountFactory
from tests.portfolio.books import (
    EMPTY_SUMMARY,
    FakeBroker,
    option,
    order,
    position,
    rejected,
    stock,
)

CONTRACTS = [stock("SPY"), stock("QQQ"), option(600), option(610), option(620)]
ERRORS = [
    RetryableError("no answer"),
    MalformedResponse("half a body"),
    RateLimitedError("too many", retry_after=5),
    ForbiddenError("no"),
]
BAD_QUANTITIES = [Decimal("NaN"), Decimal("Infinity"), Decimal("-1.797e308"), Decimal("1e13")]


@dataclass(frozen=True)
class Answer:
    """What the broker says in one cycle."""

    positions: Any
    bad: int
    orders: Any
    summary: Any


def _rows(draw: st.DrawFn) -> list[Any]:
    rows = []
    for contract in draw(st.lists(st.sampled_from(CONTRACTS), max_size=6)):
        row = position(contract, draw(st.integers(-3, 3)))
        damage = draw(st.sampled_from(["none", "none", "none", "quantity", "name", "price"]))
        if damage == "quantity":
            row = replace(row, quantity=draw(st.sampled_from(BAD_QUANTITIES)))
        elif damage == "name":
            row = replace(row, contract=replace(contract, symbol="x" * 100))
        elif damage == "price":
            row = replace(row, price=Decimal("1e300"), market_value=Decimal("NaN"))
        rows.append(row)
    return rows


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    kind = draw(st.sampled_from(["rows", "rows", "rows", "empty", "error"]))
    positions: Any = []
    if kind == "rows":
        positions = _rows(draw)
    elif kind == "error":
        positions = draw(st.sampled_from(ERRORS))
    orders: Any = draw(
        st.one_of(
            st.sampled_from(ERRORS[:2]),
            st.lists(st.sampled_from(["1", "2", "", "x" * 70]), max_size=4).map(
                lambda names: [order(name) for name in names]
            ),
        )
    )
    summary: Any = draw(
        st.one_of(
            st.just({}),
            st.just(EMPTY_SUMMARY),
            st.just({"cash": Decimal("NaN"), "net_liquidation": Decimal("1e200")}),
            st.sampled_from(ERRORS[:2]),
        )
    )
    return Answer(
        positions=positions,
        bad=draw(st.integers(0, 2)) if kind == "rows" else 0,
        orders=orders,
        summary=summary,
    )


def _book(account: Account) -> dict[tuple[str, str], tuple[int, Decimal]]:
    return {
        (symbol, sub_key): (pk, quantity)
        for pk, symbol, sub_key, quantity in Position.objects.filter(account=account).values_list(
            "pk", "symbol", "sub_key", "quantity"
        )
    }


@pytest.mark.django_db
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cycle=st.lists(answers(), min_size=1, max_size=4))
def test_any_sequence_of_answers_keeps_the_invariants(
    broker: FakeBroker, cycle: list[Answer]
) -> None:
    account: Account = AccountFactory.create()
    version = 0
    for answer in cycle:
        broker.positions, broker.orders = answer.positions, answer.orders
        broker.summary = answer.summary
        broker.bad_positions = [rejected(conid=number) for number in range(answer.bad)]
        before = _book(account)

        run = sync_account(account_id=account.pk, trigger=SyncRun.Trigger.COMMAND)

        after = _book(account)
        account.refresh_from_db()
        assert run.error_code != "internal_error"
        assert run.finished_at is not None
        changed = run.outcome in (SyncRun.Outcome.SUCCEEDED, SyncRun.Outcome.PARTIAL)
        # The version rises by one with every committed book, and with nothing else.
        assert account.book_version == version + changed
        version = account.book_version
        if not changed:
            # The last good book stays, row by row.
            assert after == before
            continue
        # Nothing that was sent disappears.
        sent = len(answer.positions) + answer.bad
        counts = run.counts
        assert counts["positions_received"] == sent
        assert sent == (
            counts["positions_stored"] + counts["positions_flat"] + counts["positions_quarantined"]
        )
        assert len(after) == counts["positions_stored"] + counts["kept_back"]
        # A position keeps its id for as long as it is held.
        assert all(after[key][0] == before[key][0] for key in after.keys() & before.keys())
        # A complete row is stored as the broker sent it.
        said = {
            row.contract.symbol: row.quantity
            for row in answer.positions
            if row.quantity.is_finite()
        }
        repeated = [row.contract.symbol for row in answer.positions]
        for (symbol, _), (_, quantity) in after.items():
            if repeated.count(symbol) == 1 and abs(said.get(symbol, Decimal(99))) < 10:
                assert quantity == said[symbol]
        # An empty answer alone never empties a book.
        if before and not answer.positions and not answer.bad:
            assert before == after or answer.summary is EMPTY_SUMMARY
