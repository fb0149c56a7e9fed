"""Currency conversions are no trades, whichever source of IBKR tells of them first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.trades.executions.test_every_source import by_flex, by_portal, by_socket
from tests.trades.files import account_at, held, net_by_contract
from trades.models import Trade, TradeExecution

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("first", [by_socket, by_portal, by_flex])
def test_rule_10_conversion_is_no_lot_whoever_tells_first(first: Callable[[], None]) -> None:
    account = account_at("IBKR", "U1")
    first()
    for source in (by_flex, by_socket):
        source()
        conversion = TradeExecution.objects.get(symbol="EUR.USD")
        assert conversion.kind == "fx"
        assert "EUR.USD" not in {**held(account), **net_by_contract(account)}
    assert not Trade.objects.filter(underlying="EUR").exists()


def test_conversion_stored_as_a_trade_before_is_mended() -> None:
    account = account_at("IBKR", "U1")
    by_portal()
    TradeExecution.objects.filter(symbol="EUR.USD").update(kind="trade")
    by_flex()
    assert TradeExecution.objects.get(symbol="EUR.USD").kind == "fx"
    assert "EUR.USD" not in held(account)
