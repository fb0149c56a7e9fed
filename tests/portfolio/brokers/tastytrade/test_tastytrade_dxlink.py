"""The streamer's client against the simulated dxLink: its steps, its alarms, and every bad day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from config.core.errors import RetryableError
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract
from greeks.providers.tastytrade_dxlink import client as tastytrade_dxlink
from greeks.providers.tastytrade_dxlink import connection as tastytrade_dxlink_connection
from greeks.providers.tastytrade_dxlink.connection import ENTRIES_A_MESSAGE
from portfolio.brokers.tastytrade.market_data import streamed_symbols
from tests.portfolio.brokers.tastytrade.feed import Feed

pytestmark = pytest.mark.anyio
DATA = "/FEED_DATA"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def contracts(sandbox: Sandbox) -> dict[str, Contract]:
    """What the simulated book holds, by streamer symbol."""
    book = sandbox.books.account("5WX00001")
    return streamed_symbols((position.contract for position in book.positions()), {})


StartFeed = Callable[..., Any]


@pytest.fixture
def start(sandbox: Sandbox) -> StartFeed:
    @asynccontextmanager
    async def run(contracts: dict[str, Contract], **timing: float) -> AsyncIterator[Feed]:
        feed = Feed(sandbox, **timing)
        feed.client.follow(contracts)
        task = asyncio.create_task(feed.client.run())
        try:
            yield feed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


async def test_whole_book_is_told_and_equals_the_market(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts) as feed:
        await feed.until_all(contracts)
    for symbol, snapshot in feed.told.items():
        now = sandbox.market.quote(contracts[symbol])
        assert snapshot.contract is contracts[symbol]
        assert float(snapshot.quote.price) == pytest.approx(now.mark, rel=0.05, abs=0.1)
        if snapshot.greeks is not None:
            assert snapshot.greeks.delta == pytest.approx(now.delta, abs=0.02)
            assert snapshot.greeks.theta == pytest.approx(now.theta, rel=0.1, abs=1e-4)
            assert snapshot.greeks.implied_volatility == pytest.approx(now.implied_volatility, 0.05)
            assert abs((snapshot.greeks.as_of - now.as_of).total_seconds()) < 15
    assert feed.state.counts.rejected_events == 0
    assert feed.state.counts.connections == 1


async def test_subscriptions_go_in_batches(
    sandbox: Sandbox,
    contracts: dict[str, Contract],
    start: StartFeed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tastytrade_dxlink_connection, "ENTRIES_A_MESSAGE", 7)
    async with start(contracts) as feed:
        await feed.until_all(contracts)

    logged = sandbox.faults.requests(server="dxlink", path="SUBSCRIPTION")
    added = [int(entry.query.partition("&")[0].removeprefix("add=")) for entry in logged]
    assert max(added) == 7
    assert sum(added) == sum(4 if contract.is_option else 3 for contract in contracts.values())


async def test_chain_that_would_drop_the_connection_is_followed(
    sandbox: Sandbox, start: StartFeed
) -> None:
    market = sandbox.market
    chain = [c for expiry in market.expiries("SPY")[:6] for c in market.chain("SPY", expiry)]
    contracts = streamed_symbols(chain, {})
    assert len(contracts) > 600
    sandbox.faults.forget_requests()
    async with start(contracts) as feed:
        await feed.until_all(contracts)
    sent = sandbox.faults.requests(server="dxlink", path="/FEED_SUBSCRIPTION")
    added = [int(request.query.partition("&")[0].removeprefix("add=")) for request in sent]
    assert sum(added) >= 2 * len(contracts)
    assert max(added) <= ENTRIES_A_MESSAGE


async def test_book_that_changes_is_followed(
    contracts: dict[str, Contract], start: StartFeed
) -> None:
    first, *others = contracts.items()
    async with start(dict([first])) as feed:
        await feed.until_all(dict([first]))
        feed.client.follow(dict(others))
        await feed.until_all(dict(others))
        feed.told.clear()
        await feed.until(lambda: len(feed.told) >= len(others))
        assert first[0] not in feed.told
        assert feed.state.counts.connections == 1


async def test_dropped_connection_is_followed_by_another_with_the_same_token(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts) as feed:
        await feed.until_all(contracts)
        sandbox.faults.add(server="dxlink", path=DATA, disconnect=True)
        await feed.until(lambda: feed.state.counts.connections == 2)
        await feed.until_all(contracts)
    assert feed.asked == 1


async def test_silence_while_the_market_trades_is_an_alarm_and_ends_by_a_new_connection(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts, silence=1.0) as feed:
        await feed.until_all(contracts)
        before = feed.state.counts.connections
        sandbox.faults.add(server="dxlink", path=DATA, delay=60.0, times=1)
        await feed.until(lambda: feed.state.silent)
        await feed.until(lambda: feed.state.counts.connections > before)
        await feed.until_all(contracts)
        assert not feed.state.silent


async def test_silence_while_the_market_is_closed_is_none(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts, silence=0.3) as feed:
        feed.market_trades = False
        await feed.until_all(contracts)
        connections = feed.state.counts.connections
        sandbox.faults.add(server="dxlink", path=DATA, delay=60.0, times=1)
        await asyncio.sleep(0.8)
        assert (feed.state.silent, feed.state.counts.connections) == (False, connections)


async def test_server_that_says_nothing_at_all_is_left(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    sandbox.faults.add(server="dxlink", method="SEND", path="/SETUP", delay=2.0, times=1)
    async with start(contracts, handshake=0.5) as feed:
        await feed.until_all(contracts)
        assert feed.state.counts.connections >= 2


async def test_connection_without_a_keepalive_is_dead(
    contracts: dict[str, Contract], start: StartFeed, sandbox: Sandbox
) -> None:
    async with start(contracts, dead=0.5) as feed:
        await feed.until_all(contracts)
        sandbox.faults.add(server="dxlink", path=DATA, delay=60.0, times=1)
        await feed.until(lambda: feed.state.counts.connections == 2)
        await feed.until_all(contracts)


async def test_half_frame_and_unknown_message_are_counted_and_passed_over(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts) as feed:
        await feed.until_all(contracts)
        sandbox.faults.add(server="dxlink", path=DATA, truncate=25)
        sandbox.faults.add(server="dxlink", path=DATA, body={"type": "NEWS", "channel": 1})
        sandbox.faults.add(server="dxlink", path=DATA, body={"type": "FEED_DATA", "channel": 1})
        counts = feed.state.counts
        await feed.until(lambda: counts.unknown_messages == 1 and counts.bad_frames == 2)
        await feed.until_all(contracts)
        assert counts.connections == 1


async def test_nothing_but_bad_frames_is_left(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    bad = tastytrade_dxlink_connection.BAD_FRAMES_IN_A_ROW
    async with start(contracts) as feed:
        await feed.until_all(contracts)
        sandbox.faults.add(server="dxlink", path=DATA, body="half {", times=bad)
        await feed.until(lambda: feed.state.counts.connections == 2)
        await feed.until_all(contracts)


async def test_order_that_changes_in_mid_session_is_followed(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    names = ["vega", "theta", "time", "gamma", "volatility", "delta", "sequence", "eventSymbol"]
    async with start(contracts) as feed:
        await feed.until_all(contracts)
        config = {"type": "FEED_CONFIG", "channel": 1, "eventFields": {"Greeks": names}}
        sandbox.faults.add(server="dxlink", path=DATA, body=config)
        await asyncio.sleep(0.5)
        options = {symbol: c for symbol, c in contracts.items() if c.is_option}
        sandbox.market.step(60)
        await feed.until_all(options)
    for symbol in options:
        now = sandbox.market.quote(contracts[symbol])
        assert feed.told[symbol].greeks.delta == pytest.approx(now.delta, abs=0.02)
        assert feed.told[symbol].greeks.vega == pytest.approx(now.vega, rel=0.1)
    assert feed.state.counts.rejected_events == 0


async def test_values_that_are_nan_are_missing(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    symbol, contract = next((s, c) for s, c in contracts.items() if c.is_option)
    body = {
        "type": "FEED_DATA",
        "channel": 1,
        "data": [
            {
                "eventType": "Greeks", "eventSymbol": symbol, "time": 0, "delta": "NaN",
                "gamma": "Infinity", "theta": None, "vega": "NaN", "volatility": "NaN",
            }
        ],
    }  # fmt: skip
    async with start({symbol: contract}) as feed:
        await feed.until_all({symbol: contract})
        sandbox.faults.add(server="dxlink", path=DATA, body=body)
        await feed.until(lambda: feed.told[symbol].greeks is None)
        await feed.until_all({symbol: contract})
        assert feed.state.counts.rejected_events == 0


async def test_frame_beyond_any_measure_ends_the_connection(
    sandbox: Sandbox,
    contracts: dict[str, Contract],
    start: StartFeed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tastytrade_dxlink, "LARGEST_FRAME", 50_000)
    async with start(contracts) as feed:
        await feed.until_all(contracts)
        sandbox.faults.add(server="dxlink", path=DATA, body="x" * 60_000)
        await feed.until(lambda: feed.state.counts.connections == 2)
        await feed.until_all(contracts)


async def test_refused_token_is_replaced_once_for_each_refusal(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts) as feed:
        await feed.until_all(contracts)
        sandbox.applications["dxlink"].state.tokens.forget()
        sandbox.faults.add(server="dxlink", path=DATA, disconnect=True)
        await feed.until_all(contracts)
        await feed.until(lambda: feed.asked == 2)
        await feed.until_all(contracts)
    assert (feed.asked, feed.state.counts.connections) == (2, 3)


async def test_token_is_renewed_before_it_runs_out(
    contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts) as feed:
        await feed.until_all(contracts)
    assert feed.asked == 1
    async with start(contracts, renewal_margin=1.0) as feed:
        feed.lifetime = 1.6
        await feed.until(lambda: feed.asked == 2)
        feed.lifetime = 3600.0
        await feed.until_all(contracts)


async def test_token_that_cannot_be_had_is_asked_for_again(
    contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts) as feed:
        feed.errors = [RetryableError("down"), RetryableError("down")]
        await feed.until_all(contracts)
    assert feed.asked == 3


async def test_streamer_that_is_not_there_is_tried_again_with_growing_waits(
    sandbox: Sandbox,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            raise asyncio.CancelledError

    feed = Feed(sandbox, sleep, first_wait=1.0, longest_wait=20.0)
    feed.url = "ws://127.0.0.1:9/realtime"
    with pytest.raises(asyncio.CancelledError):
        await feed.client.run()

    for wait, middle in zip(waits, [1, 2, 4, 8, 16, 20, 20, 20], strict=True):
        assert middle * 0.5 <= wait <= middle * 1.5


async def test_client_says_that_it_is_alive(
    sandbox: Sandbox, contracts: dict[str, Contract], start: StartFeed
) -> None:
    async with start(contracts, keepalive=0.1) as feed:
        await feed.until_all(contracts)
        await feed.until(
            lambda: len(sandbox.faults.requests(server="dxlink", path="/KEEPALIVE")) > 3
        )


Answer = Callable[[ServerConnection], Awaitable[None]]


async def test_connection_cut_without_a_word_is_followed_by_another(
    sandbox: Sandbox, contracts: dict[str, Contract]
) -> None:
    seen = 0

    async def cut(socket: ServerConnection) -> None:
        nonlocal seen
        await socket.recv()
        seen += 1
        socket.transport.abort()

    feed = Feed(sandbox)
    async with serve(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        feed.url = f"ws://127.0.0.1:{port}/"
        task = asyncio.create_task(feed.client.run())
        await feed.until(lambda: seen == 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
