"""The P&L curve and daily returns, against values computed by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.core.caching.resources import resource_named
from config.core.errors import InvalidInput, NotFound
from portfolio.domain import Broker, CashKind, CashMovement, ExecutionKind, Side
from portfolio.models import Account, AccountDay, FxRate
from tests.factories import UserFactory
from tests.trades.contexts.test_capturing import SHARE, fill
from tests.trades.files import account_at
from tests.trades.statistics.test_report import record, report, round_trip
from trades.analytics.curves import complete_days, read_daily_returns, read_pnl_curve
from trades.analytics.resources import questions_to_warm
from trades.analytics.shapes import DailyReturnsData, PnLCurveData
from trades.executions.rows import JournalRows
from trades.executions.store import record_rows

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
NEW_YORK_NOON = datetime(2026, 11, 13, 17, 0, tzinfo=UTC)
MONDAY = date(2026, 11, 9)


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def close(account: Account, day: date, balance: str, **more: Any) -> None:
    at = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    AccountDay.objects.create(
        account=account,
        session_date=day,
        net_liquidation=Decimal(balance),
        source="ibkr",
        **{"as_of": at, **more},
    )


def pay(
    amount: str, at: datetime, *, currency: str = "USD", number: str = "U1", **more: Any
) -> None:
    kind = more.pop("kind", CashKind.EXTERNAL_FLOW)
    movement = CashMovement(
        broker=Broker.IBKR,
        account_number=number,
        movement_id=f"{number} {at} {amount}",
        kind=kind,
        amount=Decimal(amount),
        currency=currency,
        moved_at=at,
        symbol="",
        description="",
        source="ibkr_flex",
        raw={},
    )
    record_rows(JournalRows(movements=[movement]), broker=Broker.IBKR, source="ibkr_flex")


def on(day: int, hour: int = 17) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def curve(user: Any, **asked: Any) -> PnLCurveData:
    with time_machine.travel(NEW_YORK_NOON, tick=False):
        return read_pnl_curve(user, **{"account_id": None, "start": None, "end": None, **asked})


def returns(user: Any, **asked: Any) -> DailyReturnsData:
    with time_machine.travel(NEW_YORK_NOON, tick=False):
        return read_daily_returns(user, **{"account_id": None, "start": None, "end": None, **asked})


def test_cash_paid_in_is_neither_profit_nor_return(account: Account) -> None:
    close(account, date(2026, 11, 9), "1000")
    close(account, date(2026, 11, 10), "1010")
    close(account, date(2026, 11, 11), "1515")
    close(account, date(2026, 11, 12), "1363.5")
    pay("500", on(11))
    pay("-3", on(12), kind=CashKind.FEE)
    found = curve(account.owner)
    assert [(p.date.day, p.pnl, p.change) for p in found.data_points] == [
        (10, 10, 10),
        (11, 15, 5),
        (12, pytest.approx(-136.5), pytest.approx(-151.5)),
    ]
    assert found.total_pnl == pytest.approx(-136.5)
    assert found.basis == "net_liquidation"
    assert [p.drawdown for p in found.data_points] == [0, 0, pytest.approx(151.5)]
    assert found.max_drawdown == pytest.approx(151.5)
    body = returns(account.owner)
    expected = [1.0, 100 * (1015 / 1010 - 1), -10.0]
    assert [r.return_pct for r in body.returns] == pytest.approx(expected)
    assert body.avg_return == pytest.approx(sum(expected) / 3)
    assert body.time_weighted_pct == pytest.approx(100 * (1.01 * 1015 / 1010 * 0.9 - 1))
    assert body.max_drawdown_pct == pytest.approx(10)
    assert (body.skipped, body.cached, found.cached) == (0, False, False)


def test_the_first_day_is_measured_from_the_close_before_it(account: Account) -> None:
    # A year ago is too far back: its change is not that of the first day.
    close(account, date(2025, 11, 6), "5")
    close(account, date(2026, 11, 6), "1000")
    close(account, date(2026, 11, 9), "1100")
    found = curve(account.owner, start=MONDAY, end=MONDAY)
    assert [(p.date, p.pnl) for p in found.data_points] == [(MONDAY, 100)]
    assert returns(account.owner, start=MONDAY, end=MONDAY).returns[0].return_pct == (
        pytest.approx(10)
    )


def test_days_are_inclusive_and_thirty_by_default(account: Account) -> None:
    assert complete_days(account.owner, end=date(2026, 11, 13)) == {
        "account_id": None,
        "start": date(2026, 10, 15),
        "end": date(2026, 11, 13),
    }
    # Nine in the evening of the 13th in New York is the 14th in UTC.
    with time_machine.travel(datetime(2026, 11, 14, 2, tzinfo=UTC), tick=False):
        assert complete_days(account.owner)["end"] == date(2026, 11, 13)


def test_what_moves_at_a_weekend_belongs_to_the_close_that_holds_it(account: Account) -> None:
    # Saturday's deposit: Friday's row was written until Sunday for one account, not the other.
    other = account_at("IBKR", "U2")
    close(account, date(2026, 11, 5), "1000")
    close(account, date(2026, 11, 6), "1600", as_of=on(8))
    close(account, date(2026, 11, 9), "1600")
    close(other, date(2026, 11, 5), "1000")
    close(other, date(2026, 11, 6), "1100")
    close(other, date(2026, 11, 9), "1600")
    pay("500", on(7))
    pay("500", on(7), number="U2")
    for owner in (account.owner, other.owner):
        assert [p.change for p in curve(owner).data_points] == [100, 0]


def test_a_flow_of_another_currency_is_converted_and_said(account: Account) -> None:
    close(account, date(2026, 11, 9), "1000")
    close(account, date(2026, 11, 10), "1210")
    close(account, date(2026, 11, 11), "1210")
    pay("100", on(10), currency="EUR")
    unknown = curve(account.owner)
    assert [(p.change, p.pnl) for p in unknown.data_points] == [(None, 0), (0, 0)]
    assert (unknown.skipped, returns(account.owner).skipped) == (1, 1)
    FxRate.objects.create(base="USD", quote="EUR", rate=Decimal(2), as_of=on(1), source="ibkr")
    known = curve(account.owner)
    assert ([p.change for p in known.data_points], known.flows_converted) == ([10, 0], 1)


def test_shares_from_another_account_are_no_profit(account: Account) -> None:
    close(account, date(2026, 11, 9), "1000")
    close(account, date(2026, 11, 10), "7010")
    close(account, date(2026, 11, 11), "8000")
    carried = {"contract": SHARE, "kind": ExecutionKind.TRANSFER, "side": Side.BUY}
    record(fill(1, quantity=Decimal(10), price=Decimal(600), execution_time=on(10), **carried))
    record(fill(2, quantity=Decimal(1), price=None, execution_time=on(11), **carried))
    assert [p.change for p in curve(account.owner).data_points] == [10, None]


def test_a_base_that_is_not_above_zero_is_skipped_and_counted(account: Account) -> None:
    for day, balance in ((9, "100"), (10, "-20"), (11, "50"), (12, "55")):
        close(account, date(2026, 11, day), balance)
    body = returns(account.owner)
    assert [r.date.day for r in body.returns] == [10, 12]
    assert body.skipped == 1
    assert body.time_weighted_pct == pytest.approx(100 * (-0.2 * 1.1 - 1))


def test_currencies_are_never_added(account: Account) -> None:
    rupees = account_at("TASTY", "U2")
    rupees.owner, rupees.base_currency = account.owner, "INR"
    rupees.save()
    for each, balance in ((account, "1000"), (rupees, "90000")):
        close(each, date(2026, 11, 9), balance)
        close(each, date(2026, 11, 10), f"{balance}1")
    found = curve(account.owner)
    assert (found.currency, found.total_pnl, found.accounts_left_out) == ("USD", 9001, 1)
    own = curve(account.owner, account_id="U2")
    assert (own.currency, own.total_pnl, own.accounts_left_out) == ("INR", 810001, 0)


def test_without_balances_the_curve_is_what_closed_lots_brought(account: Account) -> None:
    round_trip(1, opened=on(9), closed=on(10), net=100)
    round_trip(2, opened=on(9), closed=on(12), net=-40)
    found = curve(account.owner)
    assert found.basis == "realised"
    assert [p.date.day for p in found.data_points] == [10, 12]
    assert [p.pnl for p in found.data_points] == pytest.approx([100, 60])
    assert [p.realised for p in found.data_points] == pytest.approx([100, 60])
    body = returns(account.owner)
    assert (body.returns, body.avg_return, body.time_weighted_pct) == ([], None, None)


def test_nothing_known_is_null_and_not_zero(account: Account) -> None:
    found = curve(account.owner)
    assert (found.data_points, found.total_pnl) == ([], None)


def test_statistics_and_analytics_tell_one_number(account: Account, client: Any) -> None:
    client.force_login(account.owner)
    round_trip(1, opened=on(9), closed=on(10), net=100)
    close(account, date(2026, 10, 9), "1000")
    for day, balance in ((9, "990"), (10, "1600"), (12, "1500")):
        close(account, date(2026, 11, day), balance)
    pay("500", on(10))
    asked = {"start": date(2026, 10, 10), "end": date(2026, 11, 13)}
    body, found = returns(account.owner, **asked), curve(account.owner, **asked)
    statistics = report(client, start="2026-10-10", end="2026-11-13")
    assert body.time_weighted_pct == pytest.approx(100 * statistics["returns"]["time_weighted"])
    assert body.money_weighted_pct == pytest.approx(100 * statistics["returns"]["money_weighted"])
    assert body.sharpe == pytest.approx(statistics["returns"]["sharpe"])
    assert body.skipped == statistics["returns"]["skipped"]
    assert len(body.returns) == statistics["returns"]["days"] == 3
    assert found.data_points[-1].realised == pytest.approx(statistics["realised"])


def test_only_accounts_of_the_reader(account: Account) -> None:
    close(account, date(2026, 11, 9), "1000")
    close(account, date(2026, 11, 10), "1010")
    stranger = UserFactory.create()
    assert curve(stranger).data_points == []
    assert curve(AnonymousUser()).data_points == []
    for read in (curve, returns):
        with pytest.raises(NotFound):
            read(stranger, account_id="U1")
    with pytest.raises(InvalidInput, match="start"):
        curve(account.owner, start=date(2026, 11, 12), end=date(2026, 11, 9))


def test_the_number_of_queries_is_fixed(account: Account) -> None:
    close(account, date(2026, 11, 9), "1000")
    with CaptureQueriesContext(connection) as few:
        curve(account.owner)
        returns(account.owner)
    for number in range(2, 6):
        other = account_at("IBKR", f"U{number}")
        other.owner = account.owner
        other.save()
        for day in (9, 10, 11):
            close(other, date(2026, 11, day), "1000")
        pay("5", on(10), number=f"U{number}")
        round_trip(number, opened=on(9), closed=on(10), net=1)
    with CaptureQueriesContext(connection) as many:
        curve(account.owner)
        returns(account.owner)
    # Without a second close no flows are looked for: two queries in each.
    assert len(many) - len(few) in (0, 4)


def test_resources_are_declared_with_the_documented_keys_and_prepared_for_readers(
    account: Account,
) -> None:
    account.owner.last_login = timezone.now() - timedelta(days=1)
    account.owner.save()
    [question] = questions_to_warm()
    assert question.user == account.owner
    for name, field in (("pnl", "data_points"), ("returns", "returns")):
        resource = resource_named(f"analytics:{name}")
        assert resource.key == f"analytics:{name}:{{account_id}}:{{date_range}}"
        assert resource.ttl == 900
        assert resource.ask(account.owner) == question
        assert getattr(resource.read(question), field) == []
