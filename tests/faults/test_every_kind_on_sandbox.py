"""Every kind of contract from the simulated brokers over the wire to each page."""

from __future__ import annotations

import html
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from config.core.sandbox.server import Sandbox
from greeks.instruments.identity import instrument_key
from portfolio.models import Account, Order, Position, QuarantinedRow, SyncRun
from tests.factories import UserFactory
from tests.faults.conftest import RunSync
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import owned, told
from tests.portfolio.kinds import IBKR, KINDS
from tests.portfolio.reading import read
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.any_database

# Held without a working order.
NO_ORDER = {"share", "equity option", "index option AM, Wednesday"}


def post(client: Client, url: str, body: Any) -> dict[str, Any]:
    response = client.post(url, json.dumps(body), content_type="application/json")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = json.loads(response.content)
    return answer


@pytest.mark.django_db
def test_every_kind_goes_from_its_broker_to_every_page(
    desk: Sandbox, ibkr: Account, tastytrade: Account, run_sync: RunSync, settings: Any
) -> None:
    # No fault here: the first prices of thirty contracts may take a busy machine seconds.
    settings.PROVIDER_TIMEOUT_SECONDS = 30.0
    trader = UserFactory.create()
    Account.objects.update(owner=trader)
    runs = [run_sync(account) for account in (ibkr, tastytrade)]
    assert {run.outcome for run in runs} == {SyncRun.Outcome.SUCCEEDED}
    assert QuarantinedRow.objects.count() == 0
    client = Client()
    client.force_login(trader)

    stored = {
        (row.account_id, row.instrument.key): row
        for row in Position.objects.select_related("instrument")
    }
    ordered = {leg["symbol"] for order in Order.objects.all() for leg in order.legs}
    page = html.unescape(client.get("/").content.decode())
    risk = read(client, "/api/portfolio/risk")
    grid = read(client, "/api/portfolio/scenarios?spot=-10,0&vol=0&days=0&cell=-10,0,0")
    shown = {
        leg["id"]: leg for leg in read(client, "/api/portfolio/risk-monitor/fast")["positions"]
    }
    moved = {leg["id"] for leg in grid["cell"]["legs"]}
    left_out = {leg["id"]: leg["reason"] for leg in grid["left_out"]}
    for kind in KINDS:
        key = kind.of([key for account, key in stored if account == kind.account])
        row = stored[kind.account, key]
        name = f"{kind.name}: {row.symbol}"
        assert row.price is not None, name
        value = row.price * row.quantity * row.multiplier
        assert float(row.market_value or 0) == pytest.approx(float(value), rel=0.02), name
        assert row.value_conflict == "", name
        assert (row.price < 0) is (kind.name == "future below zero"), name
        assert (row.iv_raw is not None) is kind.has_greeks, name
        assert (row.underlying_price is not None) or not kind.has_greeks, name
        assert f'data-position="{row.pk}"' in page, name
        assert row.symbol in ordered or kind.name in NO_ORDER, name
        assert shown[str(row.pk)]["market_value"] is not None, name
        assert left_out.get(str(row.pk), "") == kind.left_out, name
        assert (str(row.pk) in moved) is not bool(kind.left_out), name
        changes = {"changes": [{"action": "close", "position_id": str(row.pk)}]}
        assert post(client, "/api/portfolio/what-if", changes)["legs"], name
    assert {leg["id"] for leg in risk["legs"]} == set(shown)


def test_socket_names_and_prices_every_kind_as_the_portal(gateway: GatewayHandle) -> None:
    account = gateway.books.account(IBKR)
    assert account is not None
    simulated = {p.contract.aliases["ibkr"]: p for p in account.positions()}

    async def story() -> tuple[Any, Any]:
        async with owned(gateway.host, gateway.port) as own:
            positions = await own.ask("fetch_positions", IBKR)
            return positions, await own.ask("fetch_open_orders", IBKR)

    positions, orders = told(story)
    assert not [*positions.rejected, *orders.rejected]
    keys = [instrument_key(position.contract) for position in positions.items]
    held = dict(zip(keys, positions.items, strict=True))
    for kind in KINDS:
        if kind.account != IBKR:
            continue
        position = held[kind.of(keys)]
        theirs = simulated[position.contract.aliases["ibkr"]]
        assert position.contract.expiry == theirs.contract.expiry, kind.name
        assert position.contract.multiplier == theirs.contract.multiplier, kind.name
        assert float(position.price) == pytest.approx(theirs.price, rel=0.05), kind.name
        assert position.average_price == pytest.approx(
            Decimal(str(theirs.average_price)), abs=Decimal("0.000001")
        ), kind.name
