"""The page of statistics and its CSV files."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from config.core.caching.resources import resource_named
from portfolio.amounts import ENCODER
from portfolio.domain import ExecutionKind, Side
from portfolio.models import Account, AccountDay
from tests.factories import UserFactory
from tests.trades.contexts.test_capturing import SHARE, fill
from tests.trades.statistics.test_report import (
    DAY,
    MONDAY,
    NOW,
    record,
    report,
    round_trip,
)
from trades.models import Trade, TradeTag
from trades.statistics.calendar import calendar_month
from trades.statistics.shapes import Day

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def get(client: Client, path: str, **query: str) -> Any:
    with time_machine.travel(NOW, tick=False):
        return client.get(path, query)


def lines(client: Client, path: str, **query: str) -> list[dict[str, str]]:
    answer = get(client, path, **query)
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_rule_23_page_api_and_csv_tell_the_same(account: Account, client: Client) -> None:
    for number, net in enumerate((100, -40, 30, 20), start=1):
        opened = MONDAY - 7 * number * DAY
        round_trip(number, opened=opened, closed=opened + DAY, net=net)
    measures = report(client)["measures"]
    page = get(client, "/trades/statistics")
    assert page.context["report"].measures.win_rate == measures["win_rate"] == 0.75
    [whole] = [
        row
        for row in lines(client, "/trades/statistics", format="csv")
        if row["dimension"] == "all"
    ]
    assert float(whole["win_rate"]) == 0.75
    assert float(whole["net"]) == pytest.approx(measures["net"])


def test_the_page_of_an_empty_journal_says_so(account: Account, client: Client) -> None:
    page = get(client, "/trades/statistics")
    assert page.status_code == 200
    assert "No trades closed in these days." in page.content.decode()


def test_a_tag_that_looks_like_a_formula_stays_text(account: Account, client: Client) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    TradeTag.objects.create(opening_id=Trade.objects.get().key, name="=1+1")
    [row] = [
        row
        for row in lines(client, "/trades/statistics", format="csv")
        if row["dimension"] == "tag"
    ]
    assert row["label"] == "'=1+1"


def test_rule_27_gains_by_tax_year_say_that_wash_sales_are_not_adjusted(
    account: Account, client: Client
) -> None:
    shares = {"contract": SHARE, "quantity": Decimal(10)}
    record(
        fill(
            1,
            side=Side.BUY,
            price=Decimal(500),
            execution_time=MONDAY - 400 * DAY,
            commission=Decimal(1),
            **shares,
        ),
        fill(
            2,
            side=Side.SELL,
            price=Decimal(490),
            execution_time=MONDAY,
            commission=Decimal(2),
            raw={"notes": "P"},
            **shares,
        ),
        fill(3, price=Decimal(3), execution_time=MONDAY + DAY),
        fill(4, side=Side.BUY, price=Decimal(1), execution_time=MONDAY + 2 * DAY),
    )
    stock, option = lines(client, "/trades/statistics/gains.csv")
    assert (stock["tax_year"], stock["term"], stock["broker_codes"]) == ("2026", "long", "P")
    assert (stock["proceeds"], stock["cost_basis"], stock["gain"]) == (
        "4898.00",
        "5001.00",
        "-103.00",
    )
    assert stock["quantity"] == "10"
    # A short sale: the opening is the sale.
    assert (option["proceeds"], option["cost_basis"], option["term"]) == (
        "300.00",
        "100.00",
        "short",
    )
    assert {row["note"] for row in (stock, option)} == {"Wash sales are not adjusted."}


def test_brokers_gain_of_a_fill_that_closes_two_lots_stands_once(
    account: Account, client: Client
) -> None:
    bought = {"contract": SHARE, "side": Side.BUY, "quantity": Decimal(10)}
    sold = {"contract": SHARE, "side": Side.SELL, "quantity": Decimal(20)}
    record(
        fill(1, execution_time=MONDAY, price=Decimal(10), **bought),
        fill(2, execution_time=MONDAY + DAY, price=Decimal(11), **bought),
        fill(3, execution_time=MONDAY + 2 * DAY, price=Decimal(12), position_effect="CLOSE",
             broker_realized_pnl=Decimal("28.50"), **sold),
    )  # fmt: skip
    rows = lines(client, "/trades/statistics/gains.csv")
    assert [row["broker_gain"] for row in rows] == ["28.50", ""]


def test_rule_27_gains_add_up_to_the_cent(account: Account, client: Client) -> None:
    # A share bought in one fill and sold in three, a cent of costs between them.
    record(
        fill(1, contract=SHARE, side=Side.BUY, quantity=Decimal(3), price=Decimal("10.005"),
             execution_time=MONDAY, commission=Decimal("0.01")),
        *(
            fill(2 + n, contract=SHARE, side=Side.SELL, quantity=Decimal(1), commission=Decimal(0),
                 price=Decimal("10.009"), execution_time=MONDAY + n * DAY, position_effect="CLOSE")
            for n in (1, 2, 3)
        ),
    )  # fmt: skip
    rows = lines(client, "/trades/statistics/gains.csv")
    sums = [sum(Decimal(row[name]) for row in rows) for name in ("proceeds", "cost_basis", "gain")]
    assert [round(total, 4) for total in sums] == [
        Decimal("30.027"),
        Decimal("30.025"),
        Decimal("0.002"),
    ]
    for row in rows:
        assert Decimal(row["gain"]) == Decimal(row["proceeds"]) - Decimal(row["cost_basis"])


def test_gain_of_shares_that_came_from_elsewhere_says_that_its_basis_is_unknown(
    account: Account, client: Client
) -> None:
    came = {"contract": SHARE, "quantity": Decimal(3), "commission": None}
    record(
        fill(1, side=Side.BUY, kind=ExecutionKind.TRANSFER, execution_time=MONDAY, price=None,
             **came),
        fill(2, side=Side.SELL, price=Decimal(10), execution_time=MONDAY + DAY, **came),
    )  # fmt: skip
    [row] = lines(client, "/trades/statistics/gains.csv")
    assert (row["proceeds"], row["cost_basis"], row["gain"]) == ("30.00", "", "")
    assert "The basis is not known" in row["note"]


def test_gains_are_only_of_the_readers_accounts(account: Account, client: Client) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    stranger = Client()
    stranger.force_login(UserFactory.create())
    assert lines(stranger, "/trades/statistics/gains.csv") == []
    assert get(stranger, "/trades/statistics", account_id="U1").status_code == 404
    assert get(Client(), "/trades/statistics").status_code == 302


def test_a_month_is_shown_by_weeks_with_its_neighbours(client: Client) -> None:
    days = [
        Day(date=date(2026, 9, 1), net=5.0, cumulative=5.0),
        Day(date=date(2026, 11, 2), net=-20.0, cumulative=-15.0),
    ]
    shown = calendar_month(days, None)
    assert shown is not None
    assert (shown.first, shown.before, shown.after) == (date(2026, 11, 1), "2026-09", None)
    found = {each.date: each for week in shown.weeks for each in week}
    assert (found[date(2026, 11, 2)].sign, found[date(2026, 11, 2)].strength) == ("loss", 4)
    earlier = calendar_month(days, "2026-09")
    assert earlier is not None
    assert earlier.after == "2026-11"
    assert calendar_month([], None) is None


@pytest.mark.parametrize("month", ["2026-13", "x", "0000-01"])
def test_an_impossible_month_is_refused(account: Account, client: Client, month: str) -> None:
    assert get(client, "/trades/statistics", month=month).status_code == 400


def test_accounts_figures_are_the_same_on_the_page_and_in_the_api(
    account: Account, client: Client
) -> None:
    """The strip, the curves beside it and the endpoints of the dashboard tell one number each."""
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=100)
    for number, amount in ((-28, 1000), (1, 1010), (2, 1025), (3, 1015)):
        day = MONDAY + number * DAY
        AccountDay.objects.create(
            account=account, session_date=day.date(), as_of=day, net_liquidation=amount,
            source="ibkr",
        )  # fmt: skip
    asked = {"start": (MONDAY - 28 * DAY).date(), "end": (MONDAY + 3 * DAY).date()}
    days = {name: day.isoformat() for name, day in asked.items()}
    with time_machine.travel(NOW, tick=False):
        answer = client.get("/trades/statistics", days)
        curve, returns = (
            json.loads(ENCODER.encode(each.read(each.ask(account.owner, **asked))))
            for each in (resource_named("analytics:pnl"), resource_named("analytics:returns"))
        )
    shown, told = answer.context["accounts"], answer.context["report"]
    assert shown["curve"].total_pnl == curve["total_pnl"] == 15
    assert shown["curve"].max_drawdown == curve["max_drawdown"] == 10
    assert curve["data_points"][-1]["realised"] == pytest.approx(told.realised)
    assert shown["returns"].time_weighted_pct == returns["time_weighted_pct"]
    assert returns["time_weighted_pct"] == pytest.approx(100 * told.returns.time_weighted)
    assert returns["money_weighted_pct"] == pytest.approx(100 * told.returns.money_weighted)
    assert returns["sharpe"] == pytest.approx(told.returns.sharpe)
    assert json.loads(shown["curve_json"])["data_points"] == curve["data_points"]
    # Returns are of whole accounts: a filter by strategy has none.
    with time_machine.travel(NOW, tick=False):
        narrow = client.get("/trades/statistics", days | {"underlying": "SPY"})
    assert narrow.context["accounts"] is None
