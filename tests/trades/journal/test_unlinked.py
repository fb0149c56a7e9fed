"""Rule 14 on stored rows: what has no link stays visible, with its likely cause."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from portfolio.domain import ExecutionKind
from portfolio.models import Account
from tests.trades.expiry.rows import PUT, STOCK, ended, fill, record
from tests.trades.files import account_at, expected, recorded, take
from trades.journal.unlinked import unlinked_deliveries
from trades.models import Trade

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    found = account_at("IBKR", "U1")
    record(fill(1, -2), ended(2, 2, ExecutionKind.ASSIGNMENT))
    return found


def deliver(number: int, quantity: int, price: str = "90") -> None:
    changes = {"contract": STOCK, "price": Decimal(price), "position_effect": ""}
    record(ended(number, quantity, ExecutionKind.DELIVERY, **changes))


def test_rule_14_assignment_waits_for_its_shares(account: Account, client: Client) -> None:
    (row,) = unlinked_deliveries([account])
    assert (row.symbol, row.kind, row.units) == (PUT.symbol, "assignment", Decimal(200))
    assert "Import the statement of that day" in row.cause
    client.force_login(account.owner)
    assert client.get("/trades/reconcile").context["unlinked"] == [row]
    deliver(3, 150)
    (row,) = unlinked_deliveries([account])
    assert (row.units, "Only a part" in row.cause) == (Decimal(50), True)
    deliver(4, 50)
    assert unlinked_deliveries([account]) == []


def test_rule_14_other_price_links_nothing(account: Account) -> None:
    deliver(3, 200, "91")
    found = {row.symbol: row.cause for row in unlinked_deliveries([account])}
    assert found.keys() == {PUT.symbol, "XYZ"}
    assert "another price" in found[PUT.symbol]
    assert "another strike" in found["XYZ"]


def test_rule_14_shares_without_an_option_are_named() -> None:
    account = account_at("IBKR", "U1")
    deliver(3, 100)
    (row,) = unlinked_deliveries([account])
    assert (row.symbol, row.units) == ("XYZ", Decimal(100))
    assert "No assignment or exercise" in row.cause


def test_rule_14_other_accounts_shares_do_not_count(account: Account) -> None:
    other = account_at("IBKR", "U2")
    changes = {"contract": STOCK, "price": Decimal(90), "account_number": "U2"}
    record(ended(3, 200, ExecutionKind.DELIVERY, **changes))
    assert len(unlinked_deliveries([account, other])) == 2


def test_rule_14_recorded_statement_links_every_row() -> None:
    account = account_at("IBKR", "U0000001")
    take(recorded("flex/own_lifecycle.xml"))
    assert unlinked_deliveries([account]) == []
    right = expected("flex/own_lifecycle.expected.json")["C"]
    (trade,) = Trade.objects.filter(underlying="HHH")
    assert (trade.status, trade.gross) == ("closed", Decimal(right["net"]))


def test_rule_14_recorded_export_links_its_assignment() -> None:
    account = account_at("TASTY", "5WX00001")
    take(recorded("tastytrade_csv/own_21_columns_offset_plus13.csv"), account)
    assert unlinked_deliveries([account]) == []
    symbol = expected("tastytrade_csv/own_21_columns_offset_plus13.expected.json")["open"]["ZZZ"][
        "linked_to"
    ]
    trade = Trade.objects.get(legs__instrument__symbol=symbol)
    assert trade.legs.filter(instrument__symbol="ZZZ", open_quantity=100).exists()
