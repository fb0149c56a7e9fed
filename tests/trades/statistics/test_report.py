"""Statistics of recorded fills: counted once, by the right days, and only one's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from greeks.domain import Right
from portfolio.domain import Broker, BrokerExecution, CashKind, CashMovement, ExecutionKind, Side
from portfolio.models import Account, AccountDay
from tests.factories import UserFactory
from tests.trades.contexts.test_capturing import CALL, SHARE, fill
from trades.contexts.store import fill_contexts
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.models import EntryContext, Trade, TradeTag

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
MONDAY = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def report(client: Client, **query: str) -> dict[str, Any]:
    with time_machine.travel(NOW, tick=False):
        answer = client.get("/api/trades/statistics", query)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def record(*rows: BrokerExecution) -> None:
    record_rows(JournalRows(executions=Executions(rows)), broker=Broker.IBKR, source="ibkr")


def call(strike: int, **changes: Any) -> Any:
    name = f"SPY   270115C00{strike}000"
    return replace(CALL, strike=Decimal(strike), symbol=name, **changes)


def round_trip(number: int, *, opened: datetime, closed: datetime, net: int) -> None:
    """Sell a call of its own strike at 2.00 and buy it back, for this profit."""
    terms = {"contract": call(400 + number), "quantity": Decimal(1)}
    record(
        fill(2 * number, execution_time=opened, price=Decimal(2), **terms),
        fill(
            2 * number + 1,
            execution_time=closed,
            side=Side.BUY,
            price=2 - Decimal(net) / 100,
            **terms,
        ),
    )


def group(body: dict[str, Any], dimension: str, label: str) -> dict[str, Any]:
    [found] = [
        each for each in body["groups"] if (each["dimension"], each["label"]) == (dimension, label)
    ]
    return dict(found["measures"])


def test_rule_23_months_add_up_to_the_range_and_trades_count_once(
    account: Account, client: Client
) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    round_trip(2, opened=MONDAY - 20 * DAY, closed=MONDAY - 10 * DAY, net=-50)
    round_trip(3, opened=MONDAY + 2 * DAY, closed=MONDAY + 5 * DAY, net=30)
    body = report(client)
    assert body["measures"]["trades"] == 3
    assert body["measures"]["win_rate"] == pytest.approx(2 / 3)
    assert body["measures"]["profit_factor"] == pytest.approx(2.6)
    assert [(m["month"], m["net"], m["trades"]) for m in body["months"]] == [
        ("2026-10", pytest.approx(-50), 1),
        ("2026-11", pytest.approx(130), 2),
    ]
    assert sum(m["net"] for m in body["months"]) == pytest.approx(body["realised"])
    assert body["days"][-1]["cumulative"] == pytest.approx(80)
    assert body["drawdown"] == pytest.approx(50)
    for dimension in ("strategy", "underlying", "days_to_expiry", "weekday", "holding_time"):
        counts = [g["measures"]["trades"] for g in body["groups"] if g["dimension"] == dimension]
        expected = 0 if dimension == "days_to_expiry" else 3
        assert sum(counts) == expected, dimension


def test_rule_23_a_losing_assignment_is_a_loss(account: Account, client: Client) -> None:
    put = replace(CALL, right=Right.PUT, symbol="SPY   270115P00600000")
    stock = {"contract": SHARE, "quantity": Decimal(100)}
    record(
        fill(1, contract=put, execution_time=MONDAY, price=Decimal(2)),
        fill(
            2,
            contract=put,
            side=Side.BUY,
            kind=ExecutionKind.ASSIGNMENT,
            price=Decimal(0),
            execution_time=MONDAY + DAY,
        ),
        fill(
            3,
            side=Side.BUY,
            kind=ExecutionKind.DELIVERY,
            price=Decimal(600),
            execution_time=MONDAY + DAY,
            **stock,
        ),
        fill(4, side=Side.SELL, price=Decimal(590), execution_time=MONDAY + 2 * DAY, **stock),
    )
    measures = report(client)["measures"]
    assert (measures["wins"], measures["losses"]) == (0, measures["trades"])
    assert measures["net"] == pytest.approx(200 - 1000)


def test_the_closed_part_of_an_open_trade_is_money_and_no_trade(
    account: Account, client: Client
) -> None:
    record(
        fill(1, quantity=Decimal(3), execution_time=MONDAY, price=Decimal(2)),
        fill(2, side=Side.BUY, execution_time=MONDAY + DAY, price=Decimal(1)),
    )
    body = report(client)
    assert (body["measures"]["trades"], body["realised"]) == (0, pytest.approx(100))


def test_groups_use_what_was_known_at_the_first_opening_fill(
    account: Account, client: Client
) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + 8 * DAY, net=100)
    fill_contexts()
    EntryContext.objects.filter(execution__execution_time=MONDAY).update(
        regime="elevated", iv_rank=0.8
    )
    EntryContext.objects.exclude(execution__execution_time=MONDAY).update(
        regime="calm", iv_rank=0.1
    )
    body = report(client)
    for dimension, label in (
        ("regime", "elevated"),
        ("iv_rank", "75–100 %"),
        ("days_to_expiry", "46–90 days"),
        ("weekday", "Monday"),
        ("holding_time", "7–20 days"),
        ("strategy", "single"),
        ("underlying", "SPY"),
    ):
        assert group(body, dimension, label)["trades"] == 1, dimension
    assert all(each["rank"] is None for each in body["groups"])


def test_expectancy_in_r_uses_the_most_that_a_spread_could_lose(
    account: Account, client: Client
) -> None:
    spread = {"execution_time": MONDAY, "order_id": "7"}
    record(
        fill(1, contract=call(600), price=Decimal(3), **spread),
        fill(2, contract=call(605), price=Decimal(1), side=Side.BUY, **spread),
        fill(3, contract=call(600), price=Decimal(1), side=Side.BUY, execution_time=MONDAY + DAY),
        fill(4, contract=call(605), price=Decimal("0.5"), execution_time=MONDAY + DAY),
    )
    measures = report(client)["measures"]
    # A credit of 2 of a width of 5: 300 at risk; 150 won.
    assert (measures["trades"], measures["net"]) == (1, pytest.approx(150))
    assert measures["expectancy_r"] == pytest.approx(0.5)


def test_days_are_those_of_the_accounts_zone(account: Account, client: Client) -> None:
    # 23:30 in New York is the next day in UTC.
    late = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)
    round_trip(1, opened=late - DAY, closed=late, net=10)
    assert [month["month"] for month in report(client)["months"]] == ["2026-11"]
    late -= timedelta(hours=1)
    round_trip(2, opened=late - DAY, closed=late, net=10)
    assert report(client, end="2026-10-31")["realised"] == pytest.approx(10)
    assert report(client, start="2026-11-01")["realised"] == pytest.approx(10)


def test_trades_of_unknown_basis_and_of_other_currencies_are_counted_apart(
    account: Account, client: Client
) -> None:
    euro = replace(SHARE, symbol="SAP", underlying="SAP", currency="EUR")
    record(
        fill(1, execution_time=MONDAY, position_effect="CLOSE"),
        fill(2, contract=euro, side=Side.BUY, execution_time=MONDAY),
        fill(3, contract=euro, side=Side.SELL, execution_time=MONDAY + DAY),
    )
    body = report(client)
    assert (body["measures"]["trades"], body["unknown_basis"]) == (0, 1)
    assert body["other_currencies"] == [{"currency": "EUR", "trades": 1}]
    assert report(client, currency="eur")["measures"]["trades"] == 1
    other = report(client, underlying="QQQ")
    assert (other["unknown_basis"], other["other_currencies"]) == (0, [])


def test_filters_narrow_and_have_no_returns(account: Account, client: Client) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    AccountDay.objects.create(
        account=account,
        session_date=MONDAY.date(),
        net_liquidation=Decimal(1000),
        source="ibkr",
        as_of=MONDAY,
    )
    assert report(client)["returns"]["days"] == 1
    assert report(client)["drawdown_share"] == 0
    for query, trades in (
        ({"strategy": "single"}, 1),
        ({"strategy": "vertical"}, 0),
        ({"underlying": "spy"}, 1),
        ({"underlying": "QQQ"}, 0),
    ):
        body = report(client, **query)
        assert body["measures"]["trades"] == trades
        assert body["realised"] == pytest.approx(100 * trades)
        assert body["returns"]["days"] == 0


def test_rule_24_returns_leave_out_deposits_of_weekends_and_begin_with_the_balance(
    account: Account, client: Client
) -> None:
    for number, balance in ((0, 1000), (1, 1010), (4, 2020)):
        AccountDay.objects.create(
            account=account,
            session_date=(MONDAY + number * DAY).date(),
            net_liquidation=Decimal(balance),
            source="ibkr",
            as_of=MONDAY,
        )
    paid = CashMovement(
        broker=Broker.IBKR,
        account_number="U1",
        movement_id="m1",
        kind=CashKind.EXTERNAL_FLOW,
        amount=Decimal("999.9"),
        currency="USD",
        moved_at=MONDAY + 3 * DAY,
        symbol="",
        description="Deposit",
        source="ibkr_flex",
        raw={},
    )
    record_rows(JournalRows(movements=[paid]), broker=Broker.IBKR, source="ibkr_flex")
    returns = report(client)["returns"]
    assert returns["time_weighted"] == pytest.approx(1.01 * (2020 - 999.9) / 1010 - 1)
    assert (returns["days"], returns["skipped"], returns["starting_balance"]) == (3, 0, 1000)


def test_only_accounts_of_the_reader(account: Account, client: Client) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    stranger = Client()
    stranger.force_login(UserFactory.create())
    assert report(stranger)["measures"]["trades"] == 0
    assert stranger.get("/api/trades/statistics", {"account_id": "U1"}).status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "2026-12-01", "end": "2026-11-01"}, "start"),
        ({"start": "0001-01-01"}, "start"),
        ({"end": "9999-12-31"}, "end"),
        ({"strategy": "luck"}, "strategy"),
        ({"sort": "net"}, "sort"),
    ],
)
def test_an_impossible_filter_is_named(client: Client, query: dict[str, str], field: str) -> None:
    with time_machine.travel(NOW, tick=False):
        answer = client.get("/api/trades/statistics", query)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["fields"]


def test_the_number_of_queries_is_fixed(account: Account, client: Client) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    with CaptureQueriesContext(connection) as few:
        report(client)
    for number in range(2, 9):
        opened = MONDAY - 7 * number * DAY
        round_trip(number, opened=opened, closed=opened + DAY, net=number)
    with CaptureQueriesContext(connection) as many:
        assert report(client)["measures"]["trades"] == 8
    assert len(many) == len(few)


def test_the_default_days_are_a_year(account: Account, client: Client) -> None:
    body = report(client)
    assert date.fromisoformat(body["end"]) - date.fromisoformat(body["start"]) == 364 * DAY


def test_a_trade_is_in_the_group_of_each_of_its_tags(account: Account, client: Client) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    round_trip(2, opened=MONDAY + 2 * DAY, closed=MONDAY + 3 * DAY, net=-40)
    first, _ = Trade.objects.order_by("opened_at")
    for name in ("earnings", "hedge"):
        TradeTag.objects.create(opening_id=first.key, name=name)
    body = report(client)
    assert group(body, "tag", "earnings")["net"] == pytest.approx(100)
    assert group(body, "tag", "hedge")["trades"] == 1
    tagged = report(client, tag="Earnings")
    assert (tagged["measures"]["trades"], tagged["realised"]) == (1, pytest.approx(100))
    assert report(client, tag="luck")["measures"]["trades"] == 0
