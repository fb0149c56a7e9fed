"""The live market over a real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from config.core.live.hub import announce, hub
from config.core.live.outbox import Outbox
from greeks.market import feed as live
from greeks.market.consumer import MarketConsumer
from greeks.market.feed import MarketFeed, Watched, feeds
from greeks.models import GreekSnapshot, PolledInstrument
from tests.factories import UserFactory
from tests.greeks.market import stored
from tests.portfolio.door import run, session_of
from tests.sockets import ORIGIN, Socket, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

ADDRESS = "/ws/market/nifty"
GROUP = f"market.nifty.{stored.EXPIRY.isoformat()}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def market(transactional_db: None) -> list[GreekSnapshot]:
    stored.session()
    stored.polled_instrument()
    return stored.store(missing={4})


@pytest.fixture(autouse=True)
async def _no_hub_left() -> AsyncIterator[None]:
    yield
    await hub().close()


def sampled(number: int) -> None:
    """What a poll announces."""
    data = {"slot": f"slot {number}", "as_of": f"as of {number}", "sums": {"vega": {"total": 1.5}}}
    announce(GROUP, {"type": "market.sampled", "data": data, "version": number})


def closed(number: int, **fields: Any) -> None:
    """What a roll-up does: the row, then the announcement."""
    minute = stored.OPENING + timedelta(minutes=number)
    stored.snapshot(minute, seed=number, **fields).save()
    announce(GROUP, {"type": "market.minute_closed", "minute": minute.isoformat()})


def body() -> dict[str, Any]:
    answer = Client().get("/market/data")
    assert answer.status_code == 200
    return answer.json()


async def test_snapshot_comes_first_then_samples_and_closed_minutes(
    market: list[GreekSnapshot],
) -> None:
    whole = await run(body)
    async with socket(ORIGIN, path=ADDRESS) as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert (snapshot["type"], snapshot["schema"]) == ("market.snapshot", 1)
        data = snapshot["data"]
        assert (data["slug"], data["date"], data["version"]) == (
            "nifty", "2026-11-27", whole["version"],
        )  # fmt: skip
        assert data["row"]["minute"] == whole["minutes"][-1]
        assert data["velocity"] == whole["velocity"]
        assert data["forming"] is None

        await run(sampled, 7)
        sample = await client_end.frame()
        assert (sample["type"], sample["as_of"]) == ("market.sampled", "as of 7")
        assert sample["data"]["sums"]["vega"]["total"] == 1.5
        assert sample["previous_version"] == snapshot["version"]

        await run(closed, 74)
        minute = await client_end.frame()
        assert minute["type"] == "market.minute_closed"
        assert minute["previous_version"] == sample["version"]
        assert minute["data"]["refetch"] is False
        after = await run(body)
        assert minute["data"]["version"] == after["version"]
        assert_row_is_the_bodys_last(minute["data"], after)


def assert_row_is_the_bodys_last(row: dict[str, Any], whole: dict[str, Any]) -> None:
    assert row["minute"] == whole["minutes"][-1]
    assert row["velocity"] == whole["velocity"]
    for greek, sides in whole["series"].items():
        for side, columns in sides.items():
            last = {name: values[-1] for name, values in columns.items()}
            assert row["series"][greek][side] == last
            assert row["vendor"][greek][side] == whole["vendor"][greek][side][-1]
    for name in ("gap", "samples_seen", "samples_expected", "spot", "pcr", "max_pain",
                 "atm_implied_volatility", "call_open_interest", "put_open_interest",
                 "contracts", "contracts_without_greeks", "contracts_filled"):  # fmt: skip
        assert row[name] == whole[name][-1], name


async def test_rewritten_minute_asks_pages_to_read_the_body_again(
    market: list[GreekSnapshot],
) -> None:
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        await run(closed, 4, updated_at=stored.AT + timedelta(minutes=1))
        minute = await client_end.frame()
    assert (minute["type"], minute["data"]["refetch"]) == ("market.minute_closed", True)


async def test_minute_written_anew_with_the_next_one_asks_pages_to_read_the_body_again(
    market: list[GreekSnapshot],
) -> None:
    """A sample came late: both minutes are rolled up by one sweep."""

    def both() -> None:
        rewritten = GreekSnapshot.objects.filter(pk=market[-1].pk)
        rewritten.update(samples_seen=market[-1].samples_seen + 1, total_vega_close=1.0)
        closed(74)

    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        await run(both)
        minute = await client_end.frame()
    assert (minute["type"], minute["data"]["refetch"]) == ("market.minute_closed", True)


async def test_minute_that_never_came_becomes_a_gap_on_the_page(
    market: list[GreekSnapshot], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MarketFeed, "look_seconds", 0.05)
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        settings.MARKET_CLOCK = (stored.AT + timedelta(minutes=1)).isoformat()
        minute = await client_end.frame()
    assert minute["data"]["minute"] == "2026-11-27T10:29:00+05:30"
    assert (minute["data"]["gap"], minute["data"]["refetch"]) == (True, False)
    assert minute["data"]["spot"] is None


async def test_announcement_that_changes_nothing_is_no_frame(market: list[GreekSnapshot]) -> None:
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        for _ in range(3):
            await run(announce, GROUP, {"type": "market.minute_closed"})
        await asyncio.sleep(0.2)
        await run(sampled, 1)
        assert (await client_end.frame())["type"] == "market.sampled"


async def test_new_session_sends_everybody_its_own_snapshot(
    market: list[GreekSnapshot], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MarketFeed, "look_seconds", 0.05)
    later = stored.AT + timedelta(days=3)
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        first = await client_end.frame()
        await run(stored.session, later.date())
        settings.MARKET_CLOCK = later.isoformat()
        second = await client_end.frame()
    assert second["type"] == "market.snapshot"
    assert second["data"]["date"] == later.date().isoformat()
    assert second["version"] > first["version"]


async def test_default_chain_that_expires_is_followed_by_the_next(
    market: list[GreekSnapshot], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MarketFeed, "look_seconds", 0.05)
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        listed = [{"expiry": "2026-12-08"}]
        await run(PolledInstrument.objects.update, listed_expiries=listed)
        await run(GreekSnapshot.objects.all().delete)
        frame = await client_end.frame()
        assert (frame["type"], frame["data"]["expiry"]) == ("market.snapshot", "2026-12-08")
        data = {"slot": "s", "as_of": "a"}
        async with asyncio.timeout(5):
            while not hub().hears("market.nifty.2026-12-08"):
                await asyncio.sleep(0.01)
        await run(announce, "market.nifty.2026-12-08", {"type": "market.sampled", "data": data})
        assert (await client_end.frame())["data"] == data


async def test_resync_brings_a_snapshot_with_the_latest_sample(
    market: list[GreekSnapshot],
) -> None:
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        await run(sampled, 3)
        sample = await client_end.frame()
        await client_end.send('{"type": "resync"}')
        snapshot = await client_end.frame()
    assert snapshot["type"] == "market.snapshot"
    assert snapshot["version"] == sample["version"]
    assert snapshot["data"]["forming"]["slot"] == "slot 3"


@pytest.mark.parametrize("message", ["no json", "{}", '{"type": "order"}', "[]", "x" * 2000])
async def test_message_that_is_not_ours_closes_the_socket(
    market: list[GreekSnapshot], message: str
) -> None:
    async with socket(ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        await client_end.send(message)
        assert (await client_end.output()) == {"type": "websocket.close", "code": 4400}


@pytest.mark.parametrize(
    "address",
    ["/ws/market/sensex", f"{ADDRESS}?expiry=2027-01-01", f"{ADDRESS}?expiry=soon",
     f"{ADDRESS}?expiry=%ff"],
)  # fmt: skip
async def test_unknown_instrument_or_expiry_is_closed_as_unknown(
    market: list[GreekSnapshot], address: str
) -> None:
    async with socket(ORIGIN, path=address) as (client_end, connected):
        assert connected
        assert (await client_end.output())["code"] == 4404
    assert not feeds()._feeds


async def test_foreign_origin_is_refused(market: list[GreekSnapshot]) -> None:
    for headers in ((), ((b"origin", b"https://evil.example"),), ((b"origin", b"null"),)):
        async with socket(*headers, path=ADDRESS) as (_, connected):
            assert not connected


async def test_named_expiry_is_fed_by_itself(market: list[GreekSnapshot]) -> None:
    async with socket(ORIGIN, path=f"{ADDRESS}?expiry=2026-12-01") as (client_end, _):
        assert (await client_end.frame())["data"]["expiry"] == "2026-12-01"
        assert list(feeds()._feeds) == [Watched("nifty", stored.EXPIRY)]


async def test_sockets_of_a_chain_share_one_feed_one_reading_and_one_text(
    market: list[GreekSnapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Watched] = []
    read_chain = live.read_chain

    def counted(watched: Watched, *more: Any) -> Any:
        reads.append(watched)
        return read_chain(watched, *more)

    monkeypatch.setattr(live, "read_chain", counted)
    sent: list[list[str]] = [[] for _ in range(20)]

    def outbox(texts: list[str]) -> Outbox:
        async def send(text: str) -> None:
            texts.append(text)

        return Outbox(send)

    outboxes = [outbox(texts) for texts in sent]
    joined = [await feeds().join(Watched("nifty", None), each) for each in outboxes]
    assert len(set(map(id, joined))) == 1
    opened = len(reads)
    assert opened <= 2
    assert joined[0].snapshot() is joined[-1].snapshot()
    await run(closed, 74)
    async with asyncio.timeout(5):
        while not all(sent):
            await asyncio.sleep(0.01)
    assert len({id(texts[0]) for texts in sent}) == 1
    assert len(reads) == opened + 1
    for each in outboxes:
        await feeds().leave(joined[0], each)
    assert not feeds()._feeds
    assert not any(hub()._listeners.values())


async def test_slow_socket_gets_the_newest_sample_and_sees_that_it_missed_some(
    market: list[GreekSnapshot],
) -> None:
    may_send, sent = asyncio.Event(), []

    async def send_slowly(text: str) -> None:
        await may_send.wait()
        sent.append(json.loads(text))

    consumer = MarketConsumer()
    consumer.outbox = Outbox(send_slowly)
    consumer.feed = await feeds().join(Watched("nifty", None), consumer.outbox)
    try:
        consumer.send_snapshot()
        await asyncio.sleep(0)
        for number in range(1, 6):
            await run(sampled, number)
        async with asyncio.timeout(5):
            while '"slot 5"' not in consumer.feed.snapshot():
                await asyncio.sleep(0.01)
        may_send.set()
        async with asyncio.timeout(5):
            while len(sent) < 2:
                await asyncio.sleep(0.01)
    finally:
        await feeds().leave(consumer.feed, consumer.outbox)
    assert [frame["type"] for frame in sent] == ["market.snapshot", "market.sampled"]
    assert sent[1]["data"]["slot"] == "slot 5"
    assert sent[1]["previous_version"] != sent[0]["version"]


# --- Not public -----------------------------------------------------------------------------------
async def test_private_market_refuses_who_has_not_signed_in(
    market: list[GreekSnapshot], settings: Settings
) -> None:
    settings.MARKET_DATA_PUBLIC = False
    for headers in ((ORIGIN,), (ORIGIN, (b"cookie", b"greekdesk=nothing")),
                    (ORIGIN, (b"authorization", b"Bearer gd_x"))):  # fmt: skip
        async with socket(*headers, path=ADDRESS) as (_, connected):
            assert not connected
    _, cookie = await run(session_of, await run(UserFactory))
    async with socket(cookie, ORIGIN, path=ADDRESS) as (client_end, connected):
        assert connected
        assert (await client_end.frame())["type"] == "market.snapshot"


async def test_log_out_ends_the_open_socket_of_a_private_market(
    market: list[GreekSnapshot], settings: Settings
) -> None:
    settings.MARKET_DATA_PUBLIC = False
    client, cookie = await run(session_of, await run(UserFactory))
    async with socket(cookie, ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        await run(client.post, "/accounts/logout")
        await assert_ended(client_end)
    assert not feeds()._feeds


async def test_session_that_ends_unheard_is_found_by_looking(
    market: list[GreekSnapshot], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MARKET_DATA_PUBLIC = False
    monkeypatch.setattr("auth_tokens.sessions.watch.RECHECK_SECONDS", 0.05)
    user = await run(UserFactory)
    _, cookie = await run(session_of, user)
    async with socket(cookie, ORIGIN, path=ADDRESS) as (client_end, _):
        await client_end.frame()
        await run(type(user).objects.filter(pk=user.pk).update, is_active=False)
        await assert_ended(client_end)


async def assert_ended(client_end: Socket) -> None:
    ended = await client_end.frame()
    assert (ended["type"], ended["data"]) == ("session.ended", {"code": 4401})
    assert await client_end.output() == {"type": "websocket.close", "code": 4401}
