"""What was held at any moment: from the executions up to it, and from the minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from greeks.instruments.store import resolve_instruments
from greeks.models import Instrument
from portfolio.domain import ExecutionKind, Side
from portfolio.models import Account, AccountHistory, PriceBar
from tests.factories import UserFactory
from tests.trades.contexts.test_capturing import AT, CALL, SHARE, fill, minute_of_greeks, record
from tests.trades.files import account_at
from trades.models import JournalSettings

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HOUR = timedelta(hours=1)


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    client.force_login(account.owner)
    return client


def state(client: Client, at: Any, **query: str) -> dict[str, Any]:
    with time_machine.travel(AT + 100 * HOUR, tick=False):
        answer = client.get("/api/portfolio/state", {"at": at.isoformat(), **query})
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def bar(instrument: Instrument, as_of: Any, price: str) -> None:
    amount = Decimal(price)
    PriceBar.objects.create(
        instrument=instrument,
        minute=as_of.replace(second=0),
        open=amount,
        high=amount,
        low=amount,
        close=amount,
        source="tasty",
        as_of=as_of,
    )


def test_a_position_is_there_from_its_fill_to_its_close(account: Account, client: Client) -> None:
    record(
        fill(1, quantity=Decimal(3)),
        fill(2, quantity=Decimal(1), execution_time=AT + HOUR, price=Decimal("13.5")),
        fill(3, quantity=Decimal(4), execution_time=AT + 2 * HOUR, side=Side.BUY),
    )
    assert state(client, AT - timedelta(seconds=1))["positions"] == []
    assert state(client, AT + 3 * HOUR)["positions"] == []
    [first] = state(client, AT)["positions"]
    assert (first["quantity"], first["avg_price"], first["dte"]) == (-3, 12.5, 56)
    [second] = state(client, AT + HOUR)["positions"]
    assert (second["quantity"], second["avg_price"]) == (-4, 12.75)


@pytest.mark.parametrize(
    ("method", "average", "oldest"),
    [("fifo", 13.5, 1), ("lifo", 12.5, 0), ("hifo", 14, 0), ("average", 40 / 3, 1)],
)
def test_lots_are_matched_by_the_accounts_method(
    account: Account, client: Client, method: str, average: float, oldest: int
) -> None:
    JournalSettings.objects.create(account=account, lot_method=method)
    # The other account keeps the default.
    other = account_at("IBKR", "U2")
    other.owner = account.owner
    other.save()
    for number, account_number in enumerate(("U1", "U2")):
        for place, price in enumerate((13, 12, 15)):
            record(
                fill(
                    10 * number + place,
                    account_number=account_number,
                    price=Decimal(price),
                    execution_time=AT + place * HOUR,
                )
            )
        bought = {"side": Side.BUY, "account_number": account_number}
        record(fill(10 * number + 5, execution_time=AT + 3 * HOUR, **bought))
    first, second = state(client, AT + 4 * HOUR)["positions"]
    assert (first["quantity"], first["avg_price"]) == (-2, pytest.approx(average))
    assert datetime.fromisoformat(first["opened_at"]) == AT + oldest * HOUR
    assert (second["account_id"], second["avg_price"]) == ("U2", 13.5)


def test_values_are_the_last_known_before_the_moment(account: Account, client: Client) -> None:
    [call] = resolve_instruments([CALL]).values()
    record(fill(quantity=Decimal(2)))
    minute_of_greeks(call, AT + HOUR, 0.4, vega_raw=0.9, underlying_price=Decimal(600))
    minute_of_greeks(call, AT + 2 * HOUR, 0.7)
    bar(call, AT + HOUR, "11.5")
    AccountHistory.objects.create(
        account=account,
        minute=AT.replace(second=0),
        session_date=AT.date(),
        net_liquidation=Decimal(90_000),
        source="ibkr",
        as_of=AT,
    )
    body = state(client, AT + HOUR + timedelta(minutes=5))
    [position] = body["positions"]
    assert (position["delta"], position["price"], position["vega"]) == (0.4, 11.5, 0.9)
    assert position["theta"] is None
    # Sold at 12.5.
    assert (position["market_value"], position["unrealized_pnl"]) == (-2300, 200)
    assert body["totals"]["dollar_delta"] == pytest.approx(-2 * 100 * 0.4 * 600)
    assert body["accounts"][0]["net_liquidation"] == 90_000


def test_what_is_not_known_is_null(account: Account, client: Client) -> None:
    [call] = resolve_instruments([CALL]).values()
    record(fill())
    minute_of_greeks(call, AT - timedelta(days=5), 0.4)
    body = state(client, AT)
    [position] = body["positions"]
    for name in ("delta", "iv", "price", "market_value", "unrealized_pnl", "greeks_as_of"):
        assert position[name] is None
    assert body["accounts"][0]["net_liquidation"] is None
    assert (body["totals"]["dollar_delta"], body["totals"]["legs_without_greeks"]) == (None, 1)


def test_a_split_counts_only_once_it_has_happened(account: Account, client: Client) -> None:
    split = {
        "contract": SHARE,
        "kind": ExecutionKind.SPLIT,
        "price": None,
        "execution_time": AT + HOUR,
    }
    record(
        fill(1, contract=SHARE, side=Side.BUY, quantity=Decimal(10), price=Decimal(600)),
        fill(2, side=Side.BUY, quantity=Decimal(10), **split),
    )
    [before] = state(client, AT + HOUR / 2)["positions"]
    [after] = state(client, AT + HOUR)["positions"]
    assert (before["quantity"], before["avg_price"]) == (10, 600)
    assert (after["quantity"], after["avg_price"]) == (20, 300)


def test_a_close_without_an_opening_is_counted(account: Account, client: Client) -> None:
    record(fill(position_effect="CLOSE"))
    assert state(client, AT - HOUR)["unknown_openings"] == 1
    assert state(client, AT)["unknown_openings"] == 0


def test_only_accounts_of_the_reader(account: Account, client: Client) -> None:
    record(fill())
    stranger = Client()
    stranger.force_login(UserFactory.create())
    assert state(stranger, AT)["positions"] == []
    answer = stranger.get("/api/portfolio/state", {"at": AT.isoformat(), "account_id": "U1"})
    assert answer.status_code == 404
    assert len(state(client, AT, account_id="U1")["positions"]) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Needed"),
        ("yesterday", "Expected a time"),
        ("2026-11-20", "Expected a time"),
        ("2026-11-20T15:30:00", "Expected a time"),
        ("2999-01-01T00:00:00Z", "In the future"),
        ("0001-01-01T00:00:00+14:00", "Expected a time"),
        ("1500-01-01T00:00:00Z", "Before 1970"),
    ],
)
def test_an_impossible_moment_is_named(client: Client, text: str, problem: str) -> None:
    answer = client.get("/api/portfolio/state", {"at": text} if text else {})
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"]["at"].startswith(problem)


def test_an_unescaped_plus_sign_is_understood(account: Account, client: Client) -> None:
    record(fill())
    with time_machine.travel(AT + HOUR, tick=False):
        answer = client.get("/api/portfolio/state?at=2026-11-20T15:01:00+00:00")
    assert len(answer.json()["positions"]) == 1


def test_the_number_of_queries_is_fixed(account: Account, client: Client) -> None:
    record(fill())
    with CaptureQueriesContext(connection) as few:
        state(client, AT)
    record(*(fill(number, account_number="U1", contract=CALL) for number in range(2, 30)))
    other = account_at("IBKR", "U2")
    other.owner = account.owner
    other.save()
    record(fill(50, account_number="U2", contract=SHARE))
    with CaptureQueriesContext(connection) as many:
        assert len(state(client, AT)["positions"]) == 2
    assert len(many) == len(few)
