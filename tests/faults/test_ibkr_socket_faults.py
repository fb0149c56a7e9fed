"""Gateway failures: the desk reports them, does not overreact, and recovers by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from config.core.errors import MalformedResponse, PermanentError, RetryableError
from portfolio.brokers.ibkr_socket.state import check_gateway, service_name
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    QUICK,
    STOCK,
    ScriptedGateway,
    details,
    error,
    frame,
    owned,
    position,
    told,
    until,
)
from tests.sandbox_server import GatewayHandle


def test_refused_gateway_is_said_and_found_when_it_listens_again(gateway: GatewayHandle) -> None:
    gateway.refuse()

    async def story() -> None:
        async with owned(gateway.host, gateway.port, wait=False) as own:
            await until(lambda: own.bridge.state.status == "refused")
            assert "cannot be reached" in own.bridge.state.reason
            with pytest.raises(RetryableError, match=r"cannot be reached|nobody answers"):
                await own.ask("fetch_positions", ACCOUNT)
            await asyncio.to_thread(gateway.accept)
            await own.connected()
            assert (await own.ask("fetch_positions", ACCOUNT)).items

    told(story)


@pytest.mark.parametrize("version", [100, 201])
def test_wrong_server_version_is_a_permanent_error(gateway: GatewayHandle, version: int) -> None:
    gateway.faults.change(server_version=version)

    async def story() -> None:
        async with owned(gateway.host, gateway.port, wait=False) as own:
            await until(lambda: own.bridge.state.status == "refused")
            with pytest.raises(PermanentError, match=r"version .* of the TWS API"):
                await own.ask("fetch_positions", ACCOUNT)

    told(story)


def test_older_gateway_and_newer_text_frames_are_read() -> None:
    async def story(version: int) -> None:
        async with ScriptedGateway(version=version) as gateway:
            gateway.answers[61] = lambda _: [position(), (62, 1)]
            async with owned(gateway.host, gateway.port) as own:
                assert len((await own.ask("fetch_positions", ACCOUNT)).items) == 1
                # From 194 on errors lack a version and carry their time.
                told_so = (4, -1, 1100, "lost", "", "1775425823939")
                gateway.send(told_so if version >= 194 else error(1100, "lost"))
                await until(lambda: own.bridge.state.servers_lost)

    for version in (157, 176, 200):
        told(lambda version=version: story(version))  # type: ignore[misc]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(("seven", "now")), b"\0\0"]
)
def test_something_else_than_a_gateway_is_named(answer: Any) -> None:
    async def story() -> None:
        async with (
            ScriptedGateway(version=answer) as gateway,
            owned(gateway.host, gateway.port, wait=False) as own,
        ):
            await until(lambda: own.bridge.state.status == "refused")
            with pytest.raises((MalformedResponse, RetryableError)) as caught:
                await own.ask("fetch_positions", ACCOUNT)
            if answer.startswith(b"HTTP"):
                assert "does not speak the TWS API" in str(caught.value)

    told(story)


def test_client_id_in_use_is_named_and_its_holder_left_alone(gateway: GatewayHandle) -> None:
    from ib_async import IB

    async def story() -> None:
        other = IB()
        await other.connectAsync(gateway.host, gateway.port, clientId=17, readonly=True)
        try:
            async with owned(gateway.host, gateway.port, wait=False) as own:
                await until(lambda: own.bridge.state.status == "refused")
                assert "client id 17 connected already" in own.bridge.state.reason
                assert other.isConnected()
                other.disconnect()
                await own.connected()
        finally:
            other.disconnect()

    told(story)


def test_client_id_in_use_is_not_tried_again_at_once() -> None:
    async def story() -> None:
        async with ScriptedGateway(accounts=()) as gateway:
            gateway.answers[71] = lambda _: [error(326, "client id is already in use")]
            patience = replace(QUICK, connect=0.1, hopeless_wait=5.0)
            async with owned(gateway.host, gateway.port, wait=False, patience=patience) as own:
                await until(lambda: own.bridge.state.status == "refused")
                await asyncio.sleep(1.0)
                assert gateway.connections == 1

    told(story)


def test_second_streams_process_waits_for_the_lease_and_takes_over(
    gateway: GatewayHandle,
) -> None:
    async def story() -> None:
        async with owned(gateway.host, gateway.port) as first:
            async with owned(gateway.host, gateway.port, wait=False) as second:
                await asyncio.sleep(0.8)
                assert second.bridge.state.status == "waiting"
                assert (await first.ask("fetch_positions", ACCOUNT)).items
                assert gateway.clients == {17}
            assert first.bridge.state.status == "connected"
        async with owned(gateway.host, gateway.port) as third:
            assert (await third.ask("fetch_positions", ACCOUNT)).items

    told(story)


def test_half_frame_fails_the_question_and_the_next_one_is_answered(
    gateway: GatewayHandle,
) -> None:
    async def story() -> None:
        async with owned(gateway.host, gateway.port) as own:
            gateway.faults.add(message=61, half=True)
            with pytest.raises(RetryableError):
                await own.ask("fetch_positions", ACCOUNT)
            await own.connected()
            assert (await own.ask("fetch_positions", ACCOUNT)).items

    told(story)


def test_garbage_in_the_stream_ends_the_connection_and_a_new_one_works() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway, owned(gateway.host, gateway.port) as own:
            gateway.send(("what", "is", "this"), (9999, 1), (), (61, 3))
            gateway.answers[61] = lambda _: [position(), (62, 1)]
            assert len((await own.ask("fetch_positions", ACCOUNT)).items) == 1
            assert gateway.connections == 1
            gateway.send_raw(b"\xff\xff\xff\xffgarbage")
            await until(lambda: gateway.connections == 2)
            await own.connected()
            assert len((await own.ask("fetch_positions", ACCOUNT)).items) == 1

    told(story)


def test_lasting_loss_of_the_servers_reconnects() -> None:
    async def story() -> None:
        patience = replace(QUICK, lost=0.3)
        async with (
            ScriptedGateway() as gateway,
            owned(gateway.host, gateway.port, patience=patience) as own,
        ):
            await until(lambda: own.announced == 1)
            gateway.send(error(1100, "lost"))
            await until(lambda: gateway.connections == 2)
            await own.connected()
            assert not own.bridge.state.servers_lost
            # A caller that got "lost" asks again once it hears that the gateway is back.
            await until(lambda: own.announced == 2)

    told(story)


def test_broken_farm_is_shown_and_its_return_asks_for_the_lines_again() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = lambda fields: [
                details(fields[2], 265598, "AAPL"),
                (52, 1, fields[2]),
            ]
            gateway.answers[1] = lambda fields: [(1, 6, fields[2], 4, "189.10", "1", 0)]
            async with owned(gateway.host, gateway.port) as own:
                await own.ask("fetch_snapshots", [STOCK])
                for code, farm in ((2103, "usfarm"), (2105, "ushmds"), (2157, "secdefnj")):
                    gateway.send(error(code, f"Market data farm connection is broken:{farm}"))
                await until(lambda: own.bridge.state.farms_down == ["usfarm", "ushmds", "secdefnj"])
                gateway.send(error(2106, "HMDS data farm connection is OK:ushmds"))
                gateway.send(error(2104, "Market data farm connection is OK:usfarm"))
                await until(lambda: own.bridge.state.farms_down == ["secdefnj"])
                assert len(gateway.asked(1)) == 2
                # A farm that was never broken changes nothing.
                gateway.send(error(2104, "Market data farm connection is OK:eufarm"))
                await own.ask("fetch_snapshots", [STOCK])
                assert len(gateway.asked(1)) == 2

    told(story)


def test_silent_gateway_is_asked_and_given_up_when_it_does_not_answer(
    gateway: GatewayHandle,
) -> None:
    async def story() -> None:
        patience = replace(QUICK, silence=0.2)
        async with owned(gateway.host, gateway.port, patience=patience) as own:
            await until(lambda: gateway.requests(59))
            # It is quiet, and answers when asked: nothing is wrong.
            assert own.bridge.state.status == "connected"
            gateway.faults.change(silent=True)
            await until(lambda: own.bridge.state.status != "connected")
            gateway.faults.change(silent=False)
            await own.connected()
            assert (await own.ask("fetch_positions", ACCOUNT)).items

    told(story)


def test_market_that_is_open_and_does_not_move_is_not_believed() -> None:
    open_now = [False]

    async def story() -> None:
        patience = replace(QUICK, stale=0.4, stale_without_lines=0.4)
        async with (
            ScriptedGateway() as gateway,
            owned(
                gateway.host, gateway.port, patience=patience, in_session=lambda: open_now[0]
            ) as own,
        ):
            # It answers everything: only the market says that something is wrong.
            await asyncio.sleep(1.0)
            assert gateway.connections == 1
            open_now[0] = True
            await until(lambda: gateway.connections >= 2)
            assert own.bridge.state.stale
            await own.connected()
            gateway.send((6, 2, "NetLiquidation", "1.00", "USD", ACCOUNT))
            await until(lambda: not own.bridge.state.stale)

    told(story)


def test_nightly_restart_is_survived_with_the_lines_open_again(gateway: GatewayHandle) -> None:
    async def story() -> None:
        async with owned(gateway.host, gateway.port) as own:
            held = await own.ask("fetch_positions", ACCOUNT)
            contracts = [row.contract for row in held.items]
            await own.ask("fetch_snapshots", contracts)
            before = gateway.lines(17)
            assert len(before) == len(contracts)
            await asyncio.to_thread(gateway.restart, 0.5)
            await until(lambda: own.bridge.state.status == "connected" and gateway.clients)
            await until(lambda: gateway.lines(17) == before)
            assert len((await own.ask("fetch_snapshots", contracts)).items) == len(contracts)
            await until(lambda: own.published)

    told(story)


def test_health_says_how_the_gateway_does(settings: Settings) -> None:
    assert check_gateway().status == "ok"
    settings.IBKR_CONNECTION = "socket"
    assert check_gateway().detail == "No streams process owns the gateway."

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            settings.IBKR_SOCKET_HOST, settings.IBKR_SOCKET_PORT = gateway.host, gateway.port
            async with owned(gateway.host, gateway.port, service=service_name()):
                await until(lambda: check_gateway().status == "ok")
                age = check_gateway().age_seconds
                assert age is not None
                assert 0 <= age < 5
                gateway.send(error(2103, "Market data farm connection is broken:usfarm"))
                await until(lambda: check_gateway().detail == "Broken: usfarm.")
                gateway.send(error(1100, "lost"))
                await until(lambda: "lost IBKR" in check_gateway().detail)
                assert check_gateway().status == "degraded"

    told(story)
