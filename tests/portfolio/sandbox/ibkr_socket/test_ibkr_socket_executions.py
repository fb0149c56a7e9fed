"""Executions of the simulated gateway: late commissions, corrections, times without a zone."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from ib_async import ExecutionFilter, Fill

from config.core.sandbox.server import Sandbox
from tests.portfolio.sandbox.ibkr_socket.ib_clients import ACCOUNT, Client, connected
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def week(gateway: GatewayHandle) -> None:
    """A trade log of seven days holds executions on any day of the week."""
    gateway.faults.change(execution_days=7)


def by_id(client: Client) -> dict[str, Fill]:
    return {fill.execution.execId: fill for fill in client.fills()}


async def test_executions_are_those_of_the_client_portal(
    sandbox: Sandbox, gateway: GatewayHandle
) -> None:
    with httpx.Client(base_url=sandbox.url("ibkr_portal"), trust_env=False, timeout=10) as portal:
        portal.get("/iserver/accounts")
        rows = portal.get("/iserver/account/trades", params={"days": 6}).json()
    async with connected(gateway) as client:
        fills = by_id(client)
    assert rows
    for row in rows:
        fill = fills[row["execution_id"]]
        assert fill.contract.conId == row["conid"]
        assert fill.execution.price == float(row["price"])
        assert fill.execution.shares == row["size"]
        assert fill.execution.side == {"B": "BOT", "S": "SLD"}[row["side"]]
        assert int(fill.execution.time.timestamp() * 1000) == row["trade_time_r"] // 1000 * 1000
        assert fill.commissionReport.commission == float(row["commission"])


async def test_opening_execution_realises_nothing_and_closing_one_does(
    gateway: GatewayHandle,
) -> None:
    fills = gateway.books.account(ACCOUNT).fills(gateway.market.now() - timedelta(days=6))
    async with connected(gateway) as client:
        reports = {key: fill.commissionReport for key, fill in by_id(client).items()}
    assert {fill.position_effect for fill in fills} == {"OPEN", "CLOSE"}
    for fill in fills:
        told = reports[fill.execution_id].realizedPNL
        assert told == (0.0 if fill.position_effect == "OPEN" else fill.realized_pnl)
        assert (fill.realized_pnl is None) == (fill.position_effect == "OPEN")


async def test_filter_of_executions_is_kept(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        sold = await client.reqExecutionsAsync(ExecutionFilter(side="SELL"))
        spy = await client.reqExecutionsAsync(ExecutionFilter(symbol="SPY"))
        nobody = await client.reqExecutionsAsync(ExecutionFilter(acctCode="U1"))
        latest = max(fill.execution.time for fill in client.fills())
        since = ExecutionFilter(time=f"{latest:%Y%m%d-%H:%M:%S}")
        last = await client.reqExecutionsAsync(since)
    assert {fill.execution.side for fill in sold} == {"SLD"}
    assert {fill.contract.symbol for fill in spy} == {"SPY"}
    assert nobody == []
    assert {fill.execution.time for fill in last} == {latest}


async def test_commissions_are_late_and_a_second_request_has_none(gateway: GatewayHandle) -> None:
    gateway.faults.add(message=59, hold=True, times=None)
    async with connected(gateway) as client:
        assert {fill.commissionReport.execId for fill in client.fills()} == {""}
        gateway.release()
        await client.until(lambda: all(f.commissionReport.execId for f in client.fills()))
        again = await client.reqExecutionsAsync()
        assert {fill.commissionReport.execId for fill in again} == {""}, "the client's own gotcha"
        assert all(fill.commissionReport.commission for fill in client.fills())


async def test_fill_of_the_moment_is_told_unasked_and_its_commission_after_it(
    gateway: GatewayHandle,
) -> None:
    async with connected(gateway) as client:
        before = set(by_id(client))
        gateway.market.step(5 * 86_400.0)
        gateway.pulse()
        await client.until(lambda: set(by_id(client)) - before)
        fresh = set(by_id(client)) - before
        gateway.pulse()
        await client.until(lambda: all(by_id(client)[key].commissionReport.execId for key in fresh))
        held = {p.contract.conId: p.position for p in client.positions()}
    assert held == {
        int(p.contract.aliases["ibkr"]): p.quantity
        for p in gateway.books.account(ACCOUNT).positions()
    }


async def test_correction_is_a_second_fill_with_the_next_revision(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        first = client.fills()[0].execution
        stem = first.execId.rpartition(".")[0]
        assert gateway.correct_execution(first.execId, first.price + 0.05) == f"{stem}.02"
        await client.until(lambda: f"{stem}.02" in by_id(client))
        assert gateway.correct_execution(first.execId, first.price + 0.07) == f"{stem}.03"
        await client.until(lambda: f"{stem}.03" in by_id(client))
    async with connected(gateway) as client:
        revisions = {
            key: fill.execution.price for key, fill in by_id(client).items() if stem in key
        }
    assert revisions == pytest.approx(
        {
            f"{stem}.01": first.price,
            f"{stem}.02": first.price + 0.05,
            f"{stem}.03": first.price + 0.07,
        }
    )


async def test_naive_times_are_in_the_gateways_zone(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        zoned = {key: fill.execution.time for key, fill in by_id(client).items()}
    gateway.faults.change(naive_times=True)
    naive = Client()
    naive.TimezoneTWS = "America/New_York"
    await naive.connectAsync(gateway.host, gateway.port, clientId=2, readonly=True)
    told = {key: fill.execution.time for key, fill in by_id(naive).items()}
    naive.disconnect()
    assert told == zoned
