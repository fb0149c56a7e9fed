"""Every recorded file is imported without a lost row, or refused in words."""

from __future__ import annotations

import re

import pytest

from config.core.errors import InvalidInput
from portfolio.domain import Broker
from portfolio.models import Account
from tests.trades.files import account_at, recorded, take
from trades.models import QuarantinedExecution, TradeExecution

pytestmark = pytest.mark.django_db
FILES = (
    "flex/own_lifecycle.xml",
    "flex/konvex_demo_2025.xml",
    "flex/porez_complex_flex.xml",
    "flex/porez_fifo_scenarios.xml",
    "flex/ibkr-flex-report.xml",
    "flex/alexpung_assignment_orders_only.xml",
    "flex/alexpung_cash_settled_orders_only.xml",
    "tastytrade_csv/cl_future_2023.csv",
    "tastytrade_csv/legacy_format_2020.csv",
    "tastytrade_csv/mes_future_options_2024.csv",
    "tastytrade_csv/own_21_columns_offset_plus13.csv",
    "tastytrade_csv/reverse_split_2020.csv",
    "tastytrade_csv/sample_history_2021-01.csv",
    "tastytrade_csv/wire_and_interest_2024.csv",
)


def account_for(name: str, content: bytes) -> Account | None:
    if name.startswith("tastytrade"):
        return account_at(Broker.TASTY.value, "5WX00001")
    for number in set(re.findall(rb'accountId="([^"]+)"', content)):
        account_at(Broker.IBKR.value, number.decode())
    # Statements that name no account are taken into the one that is chosen.
    return Account.objects.first() or account_at(Broker.IBKR.value, "U1")


@pytest.mark.parametrize("name", FILES)
def test_no_row_is_lost_and_again_adds_nothing(name: str) -> None:
    content = recorded(name)
    account = account_for(name, content)
    if "orders_only" in name:
        with pytest.raises(InvalidInput, match="instead of “Order”"):
            take(content, account)
        assert TradeExecution.objects.count() == 0
        return
    found = take(content, account).recorded
    assert found.received > 0
    taken = found.inserted + found.existing + found.cancelled
    assert found.received == taken + found.quarantined
    reasons = QuarantinedExecution.objects.values_list("reason", flat=True)
    assert all(reasons)
    # Of an option without symbol and underlying nothing says what it is an option on.
    assert {reason.partition(". ")[0] for reason in reasons} <= {
        "symbol: missing, and nothing else names the contract"
    }
    again = take(content, account).recorded
    assert (again.inserted, again.cancelled) == (0, 0)
