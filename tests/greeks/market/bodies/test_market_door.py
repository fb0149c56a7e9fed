"""The market at both doors: the same bytes and headers for whatever is asked, and hot-swapped."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
from datetime import timedelta
from typing import Any

import brotli
import pytest
from django.apps import apps
from django.db.utils import OperationalError
from pytest_django.fixtures import Settings

from config.core.front_door import grants as grants_module
from config.core.front_door.resources import registered_resources
from config.core.front_door.watches import READ_SECONDS
from greeks.apps import GreeksConfig
from greeks.market.bodies.cache import market_bodies
from greeks.models import GreekSnapshot
from greeks.signals import minute_closed
from tests.factories import UserFactory
from tests.greeks.market import stored
from tests.own_memory import forget_own_memory
from tests.portfolio.door import Answer, desk, run, session_of

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

DATA = "/market/data"
QUERIES = [
    "",
    "slug=nifty",
    "instrument_key=NSE_INDEX%7CNifty%2050",
    "instrument_key=NSE_INDEX|Nifty+50",
    "expiry=2026-12-01",
    "date=2026-11-27",
    "date=2026-11-27&expiry=2026-12-01&slug=nifty",
    "resolution=5m",
    "resolution=1h&delta_min=0.2",
    "delta_min=0.31&delta_max=0.52",
    "delta_max=.5",
    "delta_min=0&delta_max=1",
    "&&slug=nifty&",
    "slug=%6Eifty",
]
REFUSED = [
    "colour=red",
    "slug=sensex",
    "slug=nifty&slug=nifty",
    "date=2026-11-28",
    "date=2026-11-22",
    "expiry=2026-12-08",
    "delta_min=2",
    "resolution=",
    "slug=%FF",
    "slug=%00",
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def market(transactional_db: None) -> None:
    stored.session()
    stored.polled_instrument()
    stored.store(missing={4, 5}, empty={9})


def path(query: str) -> str:
    return f"{DATA}?{query}" if query else DATA


def closed(*, number: int) -> None:
    """What a worker does when a minute is over: the row, the body, the announcement."""
    minute = stored.OPENING + timedelta(minutes=number)
    stored.snapshot(minute, seed=number, spot=float(number)).save()
    minute_closed.send(sender=GreekSnapshot, slug="nifty", expiry=stored.EXPIRY, minute=minute)


def decoded(answer: Answer) -> bytes:
    form = answer.header("content-encoding")
    if form == "br":
        return brotli.decompress(answer.body)
    return gzip.decompress(answer.body) if form == "gzip" else answer.body


@pytest.mark.parametrize("query", QUERIES)
async def test_both_doors_answer_the_same(market: None, query: str) -> None:
    async with desk() as opened:
        for encoding in (b"", b"gzip", b"br", b"gzip, deflate, br"):
            headers = [(b"accept-encoding", encoding)] if encoding else []
            prepared = await opened.prepared(*headers, path=path(query))
            ordinary = await opened.get_of_django(*headers, path=path(query))
            assert prepared.lasting == ordinary.lasting
            assert prepared.header("cache-control") == "public, max-age=5, stale-if-error=120"
            assert prepared.header("vary") == "Accept-Encoding"
            assert json.loads(decoded(prepared))["schema"] == 1
            held = (b"if-none-match", (prepared.header("etag") or "").encode())
            known = await opened.get(*headers, held, path=path(query))
            assert (known.status, known.body, known.is_prepared) == (304, b"", True)
            assert (
                known.lasting
                == (await opened.get_of_django(*headers, held, path=path(query))).lasting
            )
            head = await opened.get(*headers, path=path(query), method="HEAD")
            assert (head.status, head.body, head.is_prepared) == (200, b"", True)


async def test_random_parameter_sets_are_the_same_at_both_doors(market: None) -> None:
    numbers = random.Random(7)
    values = {
        "slug": ["nifty"],
        "expiry": ["2026-12-01"],
        "date": ["2026-11-27", "2026-11-26"],
        "delta_min": ["0", "0.05", "0.123", "0.5"],
        "delta_max": ["0.5", "0.77", "1", "1.0"],
        "resolution": ["1m", "5m", "15m", "30m", "1h"],
    }
    async with desk() as opened:
        for _ in range(25):
            chosen = numbers.sample(sorted(values), numbers.randrange(len(values) + 1))
            query = "&".join(f"{name}={numbers.choice(values[name])}" for name in chosen)
            prepared = await opened.prepared(path=path(query))
            ordinary = await opened.get_of_django(path=path(query))
            assert prepared.lasting == ordinary.lasting, query


@pytest.mark.parametrize("query", REFUSED)
async def test_what_django_refuses_is_never_prepared(market: None, query: str) -> None:
    async with desk() as opened:
        await opened.prepared(path=DATA)
        for _ in range(3):
            answer = await opened.get(path=path(query))
            assert not answer.is_prepared
            assert answer.status in (400, 404)
            await opened.settle()
        assert len(opened.door.public) == 1


@pytest.mark.parametrize(
    ("headers", "query", "method"),
    [
        ([], "x=" + "1" * 600, "GET"),
        ([], "", "POST"),
        ([], "", "OPTIONS"),
        ([(b"range", b"bytes=0-9")], "", "GET"),
        ([(b"accept", b"text/html")], "", "GET"),
        ([(b"host", b"evil.example")], "", "GET"),
        ([(b"accept-encoding", b"br"), (b"accept-encoding", b"gzip")], "", "GET"),
    ],
)
async def test_unusual_request_is_djangos(
    market: None, headers: list[tuple[bytes, bytes]], query: str, method: str
) -> None:
    async with desk() as opened:
        await opened.prepared(path=DATA)
        answer = await opened.get(*headers, path=path(query), method=method)
        assert not answer.is_prepared
        expected = await opened.get_of_django(*headers, path=path(query), method=method)
        assert answer.status == expected.status


async def test_cookies_and_tokens_change_nothing_and_are_not_looked_at(market: None) -> None:
    _, cookie = await run(session_of, await run(UserFactory))
    async with desk() as opened:
        stranger = await opened.prepared(path=DATA)
        for header in (cookie, (b"cookie", b"\xff=;;"), (b"authorization", b"Bearer gd_wrong"),
                       (b"authorization", b"Basic dTpw")):  # fmt: skip
            answer = await opened.get(header, path=DATA)
            assert answer.is_prepared
            assert answer.lasting == stranger.lasting
            assert answer.lasting == (await opened.get_of_django(header, path=DATA)).lasting


async def test_private_market_is_djangos(market: None, settings: Settings) -> None:
    async with desk() as opened:
        await opened.prepared(path=DATA)
        settings.MARKET_DATA_PUBLIC = False
        await opened.door.watches.look_at_all()
        answer = await opened.get(path=DATA)
        assert (answer.is_prepared, answer.status) == (False, 401)
        _, cookie = await run(session_of, await run(UserFactory))
        mine = await opened.get(cookie, path=DATA)
        assert (mine.is_prepared, mine.status) == (False, 200)
        assert mine.header("cache-control") == "private, no-cache"


async def test_private_market_is_not_even_registered(
    market: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[str] = []
    monkeypatch.setattr("greeks.apps.register_resource", lambda name, **_: registered.append(name))
    config = apps.get_app_config("greeks")
    assert isinstance(config, GreeksConfig)
    settings.MARKET_DATA_PUBLIC = False
    config.register_market_data()
    assert registered == []
    settings.MARKET_DATA_PUBLIC = True
    config.register_market_data()
    assert registered == ["market_data"]


# --- Hot swap -------------------------------------------------------------------------------------
async def test_closed_minute_takes_the_place_of_the_body_without_a_wrong_answer(
    market: None,
) -> None:
    """Every answer is whole and of one version, versions never go back, and the last is there."""
    queries = ["", "resolution=5m", "delta_min=0.5", "slug=nifty"]
    async with desk() as opened:
        for query in queries:
            await opened.prepared(path=path(query))
        seen: dict[str, list[tuple[int, int]]] = {query: [] for query in queries}
        is_over = False

        async def read(query: str) -> None:
            while not is_over:
                answer = await opened.get(path=path(query))
                body = json.loads(answer.body)
                minutes = sum(not gap for gap in body["gap"])
                seen[query].append((body["version"], minutes))
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read(query)) for query in queries]
        for number in (4, 5, 9, 74):
            await run(lambda n=number: GreekSnapshot.objects.filter(
                minute=stored.OPENING + timedelta(minutes=n)
            ).delete())  # fmt: skip
            await run(closed, number=number)
            await asyncio.sleep(0.1)
        last = stored.snapshot(stored.OPENING + timedelta(minutes=74), seed=1).updated_at
        expected = int(last.timestamp() * 1e6)
        async with asyncio.timeout(10):
            while any(not each or each[-1][0] != expected for each in seen.values()):
                await asyncio.sleep(0.01)
        is_over = True
        await asyncio.gather(*readers)
        for query, answers in seen.items():
            versions = [version for version, _ in answers]
            assert versions == sorted(versions), query
            # One version has one content.
            by_version: dict[int, set[int]] = {}
            for version, minutes in answers:
                by_version.setdefault(version, set()).add(minutes)
            if query in ("", "slug=nifty", "delta_min=0.5"):
                assert by_version[expected] == {75}
        for query in queries:
            answer = await opened.get(path=path(query))
            assert answer.is_prepared
            assert answer.body == (await opened.get_of_django(path=path(query))).body


async def test_announced_minute_is_answered_at_once_and_compressed(market: None) -> None:
    headers = [(b"accept-encoding", b"br")]
    async with desk() as opened:
        await opened.prepared(*headers, path=DATA)
        await run(closed, number=74)
        async with asyncio.timeout(5):
            while True:
                answer = await opened.get(*headers, path=DATA)
                body = json.loads(decoded(answer))
                if body["minutes"][-1].startswith("2026-11-27T10:29"):
                    break
        assert answer.is_prepared
        assert body["spot"][-1] == 74.0


async def test_minute_whose_announcement_is_lost_is_found_by_looking(market: None) -> None:
    async with desk() as opened:
        await opened.prepared(path=DATA)
        await run(stored.snapshot(stored.OPENING + timedelta(minutes=74), seed=3).save)
        await opened.door.watches.look_at_all()
        answer = await opened.get(path=DATA)
        assert answer.is_prepared
        assert json.loads(answer.body)["minutes"][-1].startswith("2026-11-27T10:29")


async def test_default_moves_on_with_the_session(market: None, settings: Settings) -> None:
    async with desk() as opened:
        await opened.prepared(path=DATA)
        later = stored.AT + timedelta(days=3)
        await run(stored.session, later.date())
        settings.MARKET_CLOCK = later.isoformat()
        await opened.door.watches.look_at_all()
        answer = await opened.get(path=DATA)
        assert answer.is_prepared
        assert json.loads(answer.body)["date"] == later.date().isoformat()


# --- Bounds ---------------------------------------------------------------------------------------
async def test_equal_questions_share_one_body(market: None) -> None:
    async with desk() as opened:
        for query in ("", "slug=nifty", "date=2026-11-27", "delta_max=1.0"):
            await opened.prepared(path=path(query))
        assert len(opened.door.public) == 4
        assert len(market_bodies) == 1


async def test_strangers_parameters_push_out_neither_people_nor_memory(
    market: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MARKET_CACHE_MEGABYTES = 0
    monkeypatch.setattr(grants_module, "MOST_PUBLIC", 8)
    async with desk() as opened:
        for low, resolution in itertools.product(range(5), ("1m", "5m", "1h")):
            answer = await opened.get(path=path(f"delta_min=0.{low}&resolution={resolution}"))
            assert answer.status == 200
            await opened.settle()
        assert len(opened.door.public) <= 8
        assert len(market_bodies) == 1
        assert len(opened.door.grants) == 0
        # What was pushed out is Django's to answer, and right.
        answer = await opened.get(path=path("delta_min=0.1"))
        assert json.loads(answer.body)["delta_min"] == 0.1


async def test_body_that_nobody_reads_is_not_looked_at(
    market: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    async with desk(clock=lambda: clock[0]) as opened:
        await opened.prepared(path=DATA)
        source = registered_resources()[DATA.encode()].source
        looked: list[int] = []
        states_of = source.states_of

        def counted(keys: Any) -> Any:
            looked.append(len(keys))
            return states_of(keys)

        monkeypatch.setattr(source, "states_of", counted)
        clock[0] += READ_SECONDS
        await opened.door.watches.look_at_all()
        assert looked == []
        assert (await opened.get(path=DATA)).is_prepared
        assert looked == [1]


async def test_stale_body_is_never_an_example(
    market: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as opened:
        assert (await opened.get(path=DATA)).status == 200
        await opened.settle()
        opened.door.public.revoke_all()

        def lost(*_: Any) -> Any:
            raise OperationalError("server closed the connection unexpectedly")

        with monkeypatch.context() as patched:
            patched.setattr("greeks.market.bodies.cache.choice_for", lost)
            stale = await opened.get(path=DATA)
            assert json.loads(stale.body)["stale"] is True
            assert (stale.header("warning") or "").startswith("110")
            await opened.settle()
            assert len(opened.door.public) == 0


async def test_calls_of_one_address_are_limited(market: None, settings: Settings) -> None:
    settings.FRONT_DOOR_CALLS_PER_SECOND = 5
    async with desk() as opened:
        answers = [await opened.get(path=DATA) for _ in range(20)]
        assert {answer.status for answer in answers} == {200, 429}


async def test_door_of_one_process_is_right_without_what_another_kept(market: None) -> None:
    async with desk() as opened:
        first = await opened.prepared(path=DATA)
        await run(forget_own_memory)
        await opened.door.watches.look_at_all()
        again = await opened.get(path=DATA)
        assert again.lasting == first.lasting


@pytest.mark.parametrize("address", [DATA, "/", "/health", "/api/market/chain", "/accounts/login"])
@pytest.mark.parametrize("query", ["slug=\xff", "slug=\xc3\xa9", "\x80"])
async def test_query_of_bytes_that_are_not_ascii_is_refused_at_every_address(
    market: None, address: str, query: str
) -> None:
    async with desk() as opened:
        for method in ("GET", "POST"):
            refused = await opened.get(path=f"{address}?{query}", method=method)
            assert (refused.status, refused.is_prepared) == (400, True)
            error = json.loads(refused.body)["error"]
            assert error["code"] == "invalid_input"
            assert error["request_id"] == refused.header("x-request-id")
            assert refused.header("x-content-type-options") == "nosniff"
