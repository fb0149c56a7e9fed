"""Shadow positions at the simulated brokers: quoted, entered, marked and settled over the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from config.core.clock import market_now
from config.core.sandbox.server import Sandbox
from greeks.domain import InstrumentKind
from portfolio.models import Account, Position, Quote
from trades.models import ShadowPosition
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.shadows.following import follow_shadows
from trades.trade_signals.shadows.paper import worse
from trades.trade_signals.shadows.quoting import quote_shadows
from trades.trade_signals.sources import source_by_hand

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=2)


@pytest.mark.parametrize("name", ["ibkr", "tastytrade"])
def test_shadow_of_an_unheld_option_is_entered_marked_and_settled(
    name: str, desk: Sandbox, settings: Any, request: pytest.FixtureRequest
) -> None:
    account: Account = request.getfixturevalue(name)
    settings.MARKET_ALWAYS_OPEN = True
    option = min(
        (
            row.contract
            for row in desk.books.account(account.account_number).positions()
            if row.contract.kind is InstrumentKind.OPTION
            and row.contract.expiry > market_now().date()
        ),
        key=lambda contract: (contract.expiry, contract.symbol),
    )
    source = source_by_hand(account.owner)
    enter_signal(
        user=account.owner, source=source, values={"symbol": option.symbol, "direction": "long"}
    )
    assert not Position.objects.exists()

    assert quote_shadows() == 1
    follow_shadows()
    shadow = ShadowPosition.objects.select_related("instrument").get()
    quote = Quote.objects.get(instrument=shadow.instrument)
    assert shadow.status == "open"
    assert quote.bid is not None
    assert quote.ask is not None
    mid = (quote.bid + quote.ask) / 2
    assert shadow.entry_mid == mid
    assert shadow.entry_price == worse(mid, shadow.quantity, source.shadow_slippage)

    desk.market.step(600)
    with time_machine.travel(market_now() + LATER):
        assert quote_shadows() == 1
        follow_shadows()
    shadow.refresh_from_db()
    assert (shadow.status, shadow.price_source) == ("open", quote.source)
    assert shadow.pnl == (shadow.price - shadow.entry_price) * 100

    assert shadow.instrument.expires_at is not None
    with time_machine.travel(shadow.instrument.expires_at - timedelta(minutes=1)):
        quote_shadows()
    with time_machine.travel(shadow.instrument.expires_at + timedelta(minutes=1)):
        follow_shadows()
    shadow.refresh_from_db()
    assert (shadow.status, shadow.closed_kind) == ("closed", "expiration")
    assert shadow.pnl == (shadow.close_price - shadow.entry_price) * 100
