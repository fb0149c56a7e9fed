"""The simulated gateway's bad days, as unmodified ib_async lives through them."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from portfolio.sandbox.ibkr_socket.faults import HANDSHAKE
from tests.portfolio.sandbox.ibkr_socket.ib_clients import ACCOUNT, Client, connected
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio


async def refused(gateway: GatewayHandle, *, timeout: float = 1.0) -> Client:
    """Return a client whose attempt to connect fails, as it must."""
    client = Client()
    with pytest.raises((ConnectionError, TimeoutError)):
        await client.connectAsync(
            gateway.host, gateway.port, clientId=1, timeout=timeout, readonly=True
        )
    return client


async def test_gateway_that_refuses_is_refused_by_the_kernel(gateway: GatewayHandle) -> None:
    gateway.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((gateway.host, gateway.port), timeout=5)
    gateway.accept()
    async with connected(gateway) as client:
        assert client.positions()


@pytest.mark.parametrize("version", [100, 156])
async def test_version_too_old_ends_the_connection(gateway: GatewayHandle, version: int) -> None:
    gateway.faults.change(server_version=version)
    client = await refused(gateway)
    assert client.client.connState == client.client.DISCONNECTED
    assert gateway.clients == set()


async def test_version_too_new_is_told_as_scripted(gateway: GatewayHandle) -> None:
    gateway.faults.change(server_version=203)
    client = Client()
    await client.connectAsync(gateway.host, gateway.port, clientId=1, readonly=True)
    assert client.client.serverVersion() == 203
    client.disconnect()


async def test_client_without_our_version_is_not_served(gateway: GatewayHandle) -> None:
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    versions = b"v100..150"
    writer.write(b"API\0" + struct.pack(">I", len(versions)) + versions)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"API\0" + struct.pack(">I", 0xFFFFFFFF),
        b"API\0" + struct.pack(">I", 5) + b"hello",
        b"API\0" + struct.pack(">I", 9) + b"v100..200" + struct.pack(">I", 4) + b"abcd",
    ],
)
async def test_stranger_is_disconnected_and_others_are_served(
    gateway: GatewayHandle, said: bytes
) -> None:
    async with connected(gateway, client_id=9) as client:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(said)
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert await client.reqCurrentTimeAsync()


async def test_client_id_in_use_is_error_326_and_the_first_lives_on(
    gateway: GatewayHandle,
) -> None:
    async with connected(gateway, client_id=17) as first:
        second = Client()
        attempt = asyncio.ensure_future(
            second.connectAsync(gateway.host, gateway.port, clientId=17, timeout=30)
        )
        await second.until(lambda: 326 in second.codes())
        attempt.cancel()
        assert second.codes() == [326]
        assert await first.reqCurrentTimeAsync()
        assert gateway.clients == {17}
    async with connected(gateway, client_id=17):
        assert gateway.clients == {17}


async def test_two_clients_have_subscriptions_of_their_own(gateway: GatewayHandle) -> None:
    async with connected(gateway, client_id=1) as one, connected(gateway, client_id=2) as two:
        contract = await one.option()
        await one.greeks_of(contract)
        assert (gateway.lines(1), gateway.lines(2)) == ({contract.localSymbol}, set())
        assert two.positions() == one.positions()


@pytest.mark.parametrize(
    "fault",
    [
        {"message": HANDSHAKE, "half": True},
        {"message": HANDSHAKE, "garbage": "ffff"},
        {"message": HANDSHAKE, "length": 0x7FFFFFFF},
        {"message": HANDSHAKE, "drop": True},
        {"message": 15, "drop": True},
        {"message": 9, "drop": True},
        {"message": 9, "disconnect": True, "drop": True},
    ],
)
async def test_broken_start_is_no_connection(gateway: GatewayHandle, fault: Any) -> None:
    gateway.faults.add(**fault)
    await refused(gateway, timeout=0.5)
    gateway.faults.clear()
    async with connected(gateway) as client:
        assert client.positions()


async def test_half_a_frame_ends_the_connection(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        gateway.faults.add(message=49, half=True)
        with pytest.raises(ConnectionError):
            await client.reqCurrentTimeAsync()
        assert not client.isConnected()


async def test_oversized_length_swallows_everything_after_it(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        gateway.faults.add(message=4, length=0x00FFFFFF)
        gateway.notify(2103)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reqCurrentTimeAsync(), 0.3)
        assert client.isConnected()
        assert 2103 not in client.codes()


async def test_connection_is_dropped_after_so_many_messages(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        gateway.faults.add(after=3, disconnect=True)
        for code in (2104, 2106, 2158):
            gateway.notify(code)
        before = len(client.errors)
        await client.until(lambda: len(client.errors) == before + 3)
        gateway.notify(2108, "Market data farm connection is inactive")
        await client.until(lambda: not client.isConnected())
        assert client.codes()[-1] == 2108


async def test_silence_keeps_the_connection(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        gateway.faults.change(silent=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reqCurrentTimeAsync(), 0.3)
        assert client.isConnected()
        assert gateway.clients == {1}


async def test_data_lost_with_1101_and_kept_with_1102(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        contract = await client.option()
        ticker = await client.greeks_of(contract)
        gateway.notify(1100)
        # What was sent before it has arrived when it has.
        await client.until(lambda: 1100 in client.codes())
        frozen = ticker.modelGreeks
        gateway.market.step(600.0)
        gateway.pulse()
        gateway.notify(1102)
        await client.until(lambda: 1102 in client.codes())
        assert ticker.modelGreeks is frozen, "nothing streams while the connection is lost"
        gateway.pulse()
        await client.until(lambda: ticker.modelGreeks is not frozen)
        gateway.notify(1100)
        gateway.notify(1101)
        assert gateway.lines(1) == set()
        await client.until(lambda: 1101 in client.codes())
        frozen = ticker.modelGreeks
        gateway.market.step(600.0)
        gateway.pulse()
        assert await client.reqCurrentTimeAsync()
        assert ticker.modelGreeks is frozen
        again = client.reqMktData(contract)
        await client.until(lambda: again.modelGreeks is not frozen)


@pytest.mark.parametrize(("broken", "mended"), [(2103, 2104), (2110, 1102), (10197, 2104)])
async def test_farm_outage_stops_the_stream(
    gateway: GatewayHandle, broken: int, mended: int
) -> None:
    async with connected(gateway) as client:
        ticker = await client.greeks_of(await client.option())
        gateway.notify(broken)
        gateway.market.step(600.0)
        gateway.pulse()
        frozen = ticker.modelGreeks
        gateway.notify(mended)
        gateway.pulse()
        await client.until(lambda: ticker.modelGreeks is not frozen)
        assert [code for code in client.codes() if code == broken] == [broken]


async def test_restarting_gateway_has_no_clients_and_refuses_new_ones(
    gateway: GatewayHandle,
) -> None:
    async with connected(gateway) as client:
        gateway.restart(3600.0)
        await client.until(lambda: not client.isConnected())
        assert gateway.clients == set()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((gateway.host, gateway.port), timeout=5)


async def test_nightly_restart_cuts_everyone_and_comes_back(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        gateway.restart(0.2)
        await client.until(lambda: not client.isConnected())
        async with asyncio.timeout(10):
            while True:
                try:
                    await client.connectAsync(gateway.host, gateway.port, clientId=1, readonly=True)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
        assert client.positions()


async def test_executions_without_an_end_leave_the_client_waiting(
    gateway: GatewayHandle,
) -> None:
    gateway.faults.change(execution_days=7)
    gateway.faults.add(message=55, drop=True, times=None)
    client = Client()
    await client.connectAsync(gateway.host, gateway.port, clientId=1, readonly=True, timeout=0.7)
    await client.until(client.fills)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.reqExecutionsAsync(), 0.3)
    client.disconnect()


async def test_read_only_api_that_refuses_order_lists_never_ends_them(
    gateway: GatewayHandle,
) -> None:
    gateway.faults.change(refuse_order_reads=True)
    async with connected(gateway) as client:
        asked = [
            asyncio.ensure_future(client.reqAllOpenOrdersAsync()),
            asyncio.ensure_future(client.reqCompletedOrdersAsync(False)),
        ]
        await client.until(lambda: client.codes().count(321) == 2)
        assert await client.reqCurrentTimeAsync()
        assert not any(request.done() for request in asked)
        for request in asked:
            request.cancel()


@pytest.mark.parametrize("value", ["NaN", "1.7976931348623157E308", "-1E300", ""])
async def test_field_is_what_the_script_says(gateway: GatewayHandle, value: str) -> None:
    gateway.faults.add(message=61, match=",OPT,", replace={15: value})
    async with connected(gateway) as client:
        costs = [p.avgCost for p in client.positions() if p.contract.secType == "OPT"]
    expected = float(value or 0)
    assert costs[0] == expected or (value == "NaN" and costs[0] != costs[0])
    assert all(cost > 0 for cost in costs[1:])


async def test_delayed_message_keeps_its_place(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        gateway.faults.add(message=4, match="first", delay=0.2)
        gateway.notify(2107, "first")
        gateway.notify(2107, "second")
        await client.until(lambda: len(client.errors) == 5)
        assert [text for _, code, text in client.errors if code == 2107] == ["first", "second"]


async def test_empty_book_still_has_its_money(gateway: GatewayHandle) -> None:
    gateway.faults.change(empty_book=True, execution_days=7)
    async with connected(gateway, client_id=0, readonly=False) as client:
        assert (client.positions(), client.portfolio(), client.fills()) == ([], [], [])
        assert client.openTrades() == []
        assert client.accountValues(ACCOUNT)


async def test_good_day_returns_when_faults_are_cleared(gateway: GatewayHandle) -> None:
    gateway.faults.change(silent=True, empty_book=True)
    gateway.faults.add(times=None, drop=True)
    gateway.faults.clear()
    async with connected(gateway) as client:
        assert client.positions()
