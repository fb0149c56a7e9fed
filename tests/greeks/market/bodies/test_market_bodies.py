"""The layers before the database: bounded, made once, never of the wrong rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import redis
from django.db import connections
from django.db.utils import OperationalError
from django.test import Client
from django_redis import get_redis_connection
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from config.core.clock import market_now
from config.core.front_door.bodies import Body, Prepared
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import forget_process_copies
from greeks.market.bodies import cache as module
from greeks.market.bodies import series as market_series
from greeks.market.bodies.cache import (
    market_bodies,
    prepared_market_body,
    serve_market_data,
)
from greeks.market.bodies.questions import MarketChoice, MarketQuestion, choice_for
from greeks.market.bodies.readers import note_reader
from greeks.market.bodies.warming import warm_closed_minute
from greeks.minutes.stored import kept_rows
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.signals import minute_closed
from tests.greeks.market import stored
from tests.own_memory import forget_own_memory

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def choice(**asked: Any) -> MarketChoice:
    return choice_for(MarketQuestion(slug="nifty", **asked), market_now())


def body_of(prepared: Prepared) -> dict[str, Any]:
    return msgspec.json.decode(prepared.body.form("identity"))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[MarketChoice]:
    """Every choice whose series was made, in order."""
    made: list[MarketChoice] = []
    series_of = market_series.series_of

    def counted(chosen: MarketChoice, rows: Any) -> Any:
        made.append(chosen)
        return series_of(chosen, rows)

    monkeypatch.setattr(module, "series_of", counted)
    return made


def test_same_state_is_the_same_object(nifty: PolledInstrument, built: list[MarketChoice]) -> None:
    stored.store(minutes=3)
    first = prepared_market_body(choice=choice())
    assert prepared_market_body(choice=choice()) is first
    assert len(built) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda: stored.store(minutes=4, missing={0, 1, 2}),
        lambda: GreekSnapshot.objects.filter(minute=stored.OPENING).update(
            spot=1.0, updated_at=stored.AT
        ),
        lambda: GreekSnapshot.objects.filter(minute=stored.OPENING).delete(),
        lambda: PolledInstrument.objects.update(name="NIFTY"),
        lambda: stored.session(closes_at=stored.OPENING + timedelta(hours=1)),
    ],
)
def test_body_of_another_state_is_another(
    nifty: PolledInstrument, change: Callable[[], object]
) -> None:
    stored.store(minutes=3)
    first = prepared_market_body(choice=choice())
    change()
    second = prepared_market_body(choice=choice())
    assert second is not first
    assert second.body.tag != first.body.tag
    assert not first.is_kept


def test_other_process_takes_the_body_from_redis(
    nifty: PolledInstrument,
    built: list[MarketChoice],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    stored.store(minutes=3)
    first = prepared_market_body(choice=choice())
    chosen = choice()
    forget_own_memory()
    with django_assert_num_queries(0):
        second = prepared_market_body(choice=chosen)
    assert second is not first
    assert second.body.ready("br") == first.body.ready("br")
    # The plain form is unpacked when somebody takes it.
    assert second.body.ready("identity") is None
    assert second.body.form("identity") == first.body.form("identity")
    assert second.body.etag("gzip") == first.body.etag("gzip")
    assert len(built) == 1


def test_body_in_redis_of_older_rows_is_not_taken(
    nifty: PolledInstrument, built: list[MarketChoice]
) -> None:
    stored.store(minutes=3)
    prepared_market_body(choice=choice())
    forget_own_memory()
    stored.store(minutes=4, missing={0, 1, 2})
    assert body_of(prepared_market_body(choice=choice()))["gap"][:5] == [False] * 4 + [True]
    assert len(built) == 2


@pytest.mark.parametrize("damage", [b"", b"\x00", b"\xff" * 40, msgspec.msgpack.encode([1, 2])])
def test_damaged_body_in_redis_is_made_anew(nifty: PolledInstrument, damage: bytes) -> None:
    stored.store(minutes=3)
    prepared_market_body(choice=choice())
    (name,) = get_redis_connection("default").keys("*market_body:*")
    get_redis_connection("default").set(name, damage)
    forget_own_memory()
    assert body_of(prepared_market_body(choice=choice()))["gap"][0] is False


def test_only_what_everybody_reads_goes_to_redis(
    nifty: PolledInstrument, settings: Settings
) -> None:
    stored.store(minutes=3)
    for first in range(19):
        prepared_market_body(choice=choice(first_bucket=first + 1))
    settings.MARKET_CLOCK = (stored.AT + timedelta(hours=8)).isoformat()
    prepared_market_body(choice=choice())
    assert get_redis_connection("default").keys("*market_body:*") == []


def test_no_copy_is_older_than_two_minutes(
    nifty: PolledInstrument, built: list[MarketChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.store(minutes=3)
    first = prepared_market_body(choice=choice())
    assert first.valid_until <= time.time() + 120
    first.valid_until = 0.0
    get_redis_connection("default").flushdb()
    again = prepared_market_body(choice=choice())
    assert again is not first
    # Nothing changed: it is the same body with the same tag.
    assert again.body.tag == first.body.tag
    assert len(built) == 2


def test_ten_thousand_parameter_sets_stay_within_the_bytes(
    nifty: PolledInstrument, settings: Settings
) -> None:
    settings.MARKET_CACHE_MEGABYTES = 1
    stored.store(minutes=3)
    kept_rows.clear()
    base = choice()
    most = 0
    for number in range(10_000):
        # Ten thousand days, ranges and resolutions, of which most have nothing stored.
        chosen = replace(
            base,
            first_bucket=number % 20,
            end_bucket=number % 20 + 1,
            chain=replace(base.chain, session_date=stored.DAY - timedelta(days=number // 20)),
        )
        body = Body(b"%d" % number * 4_000)
        if number % 7 == 0:
            body.form("gzip")
        market_bodies.put("market_data", chosen.variant, Prepared(body, chosen.state))
        most = max(most, market_bodies.size)
    assert most <= 1_000_000 + 25_000
    assert 30 < len(market_bodies) < 260


def test_forms_that_are_made_later_count_too(nifty: PolledInstrument, settings: Settings) -> None:
    settings.MARKET_CACHE_MEGABYTES = 1
    kept = [
        market_bodies.put("market_data", number, Prepared(Body(bytes(90_000)), "s"))
        for number in range(10)
    ]
    noise = Prepared(Body(msgspec.json.encode([n * 0.37 for n in range(20_000)])), "s")
    market_bodies.put("market_data", "noise", noise)
    noise.body.form("br")
    noise.body.form("gzip")
    assert market_bodies.get("market_data", "noise", "s") is noise
    assert market_bodies.size <= 1_000_000
    assert not kept[0].is_kept


def test_filtered_bodies_are_of_the_rows_of_one_reading(
    nifty: PolledInstrument, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    stored.store(minutes=3)
    choices = [choice(first_bucket=first) for first in range(20)]
    with django_assert_num_queries(1):
        for chosen in choices:
            prepared_market_body(choice=chosen)


# --- Made once ------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_body_that_many_ask_for_at_once_is_made_once(
    nifty: PolledInstrument, built: list[MarketChoice]
) -> None:
    stored.store(minutes=30)
    chosen = choice()
    barrier = threading.Barrier(12)

    def ask() -> str:
        try:
            barrier.wait(5)
            return prepared_market_body(choice=chosen).body.tag
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        tags = {future.result(10) for future in [pool.submit(ask) for _ in range(12)]}
    assert len(tags) == 1
    assert len(built) == 1


# --- Hot swap -------------------------------------------------------------------------------------
def test_writer_leaves_the_new_body_in_redis_before_it_tells(
    nifty: PolledInstrument,
    built: list[MarketChoice],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored.store()
    told: list[tuple[str, int]] = []

    def announce(group: str, message: Any) -> None:
        told.append((group, len(get_redis_connection("default").keys("*market_body:*"))))

    monkeypatch.setattr("greeks.market.bodies.warming.announce", announce)
    note_reader("nifty")
    minute_closed.send(
        sender=GreekSnapshot,
        slug="nifty",
        expiry=stored.EXPIRY,
        minute=stored.OPENING + timedelta(minutes=73),
    )
    assert told == [("market.minutes", 1)]
    # The writer itself keeps none.
    assert len(market_bodies) == 0
    prepared = prepared_market_body(choice=choice(columns="closes"))
    assert prepared.body.ready("br") is not None
    assert len(built) == 1


def test_old_minutes_that_are_caught_up_are_not_warmed_one_by_one(
    nifty: PolledInstrument, built: list[MarketChoice]
) -> None:
    stored.store()
    note_reader("nifty")
    warmed = [
        warm_closed_minute(
            slug="nifty", expiry=stored.EXPIRY, minute=stored.OPENING + timedelta(minutes=number)
        )
        for number in range(74)
    ]
    assert sum(warmed) == len(built) == 2


def test_storing_minutes_goes_on_when_a_body_cannot_be_made(nifty: PolledInstrument) -> None:
    note_reader("gone")
    assert warm_closed_minute(slug="gone", expiry=stored.EXPIRY, minute=stored.AT)


# --- What is lost ---------------------------------------------------------------------------------
def test_without_redis_bodies_come_from_the_database(
    nifty: PolledInstrument, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "redis://127.0.0.1:9/0"
    settings.REDIS_URL = nobody
    monkeypatch.setattr(module, "get_redis_connection", lambda _: redis.Redis.from_url(nobody))
    stored.store(minutes=3)
    assert Client().get("/market/data").json()["gap"][0] is False
    stored.store(minutes=4, missing={0, 1, 2})
    assert Client().get("/market/data").json()["gap"][3] is False
    assert Client().get("/api/market/chain").status_code == 503
    assert Client().get("/api/market/instruments").status_code == 200


def lose_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(module, "choice_for", lost)
    monkeypatch.setattr("greeks.market.bodies.lists.choice_for", lost)
    monkeypatch.setattr("greeks.market.bodies.lists.instruments_body", lost)


def test_last_good_body_is_labelled_while_the_database_is_lost(
    nifty: PolledInstrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.store(minutes=3)
    good = Client().get("/market/data")
    assert "Warning" not in good
    with monkeypatch.context() as patched:
        lose_the_database(patched)
        for _ in range(5):
            stale = Client().get("/market/data", headers={"if-none-match": good["ETag"]})
            assert stale.status_code == 200
            assert stale["Warning"].startswith("110")
            assert stale["Cache-Control"] == "public, max-age=1"
            assert stale["ETag"] != good["ETag"]
            assert stale.json() == good.json() | {"stale": True}
        # What was never asked here has no last good one.
        unknown = Client().get("/market/data", {"resolution": "5m"})
        assert unknown.status_code == 503
        assert unknown.json()["error"]["code"] == "database_unavailable"
    # The breaker has cooled down.
    forget_process_copies()
    assert Client().get("/market/data").json() == good.json()


def test_slow_database_is_asked_by_one_while_the_others_get_the_last_good_body(
    nifty: PolledInstrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.store(minutes=3)
    question = MarketQuestion(slug="nifty")
    assert not serve_market_data(question=question).is_stale
    asked: list[float] = []

    def locked(*_: Any) -> MarketChoice:
        asked.append(time.monotonic())
        time.sleep(0.3)
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(module, "_SLOW_SECONDS", 0.2)
    with monkeypatch.context() as patched:
        patched.setattr(module, "choice_for", locked)
        assert serve_market_data(question=question).is_stale
        assert all(serve_market_data(question=question).is_stale for _ in range(20))
        assert len(asked) == 1
        # A second later one asks again, and nobody waits for it.
        module._patience._ask_at = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            served = list(
                threads.map(lambda _: serve_market_data(question=question).is_stale, range(40))
            )
        assert all(served)
        assert len(asked) == 2
    module._patience._ask_at = time.monotonic()
    assert not serve_market_data(question=question).is_stale
    assert not serve_market_data(question=question).is_stale


def test_last_good_chain_and_list_are_labelled_too(
    nifty: PolledInstrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_client().set(key("chain_latest", "nifty", stored.EXPIRY.isoformat()), '{"schema":1}')
    addresses = ("/api/market/chain", "/api/market/instruments")
    good = {address: Client().get(address).content for address in addresses}
    monkeypatch.setattr("greeks.market.bodies.lists._LIST_SECONDS", 0.0)
    lose_the_database(monkeypatch)
    for address in addresses:
        answer = Client().get(address)
        assert answer.content == good[address]
        assert answer["Warning"].startswith("110")


def test_rows_committed_after_the_choice_are_kept_under_their_own_version(
    nifty: PolledInstrument,
) -> None:
    stored.store(minutes=3)
    early = choice()
    stored.store(minutes=4, missing={0, 1, 2})
    prepared = prepared_market_body(choice=early)
    assert body_of(prepared)["gap"][3] is False
    assert prepared_market_body(choice=choice()) is prepared
    # Whoever still asks for the older version gets the committed rows as well.
    assert body_of(prepared_market_body(choice=early))["gap"][3] is False


def test_question_remembers_which_body_answered_it(nifty: PolledInstrument) -> None:
    stored.store(minutes=3)
    question = MarketQuestion(slug="nifty", resolution="5m")
    served = serve_market_data(question=question)
    assert not served.is_stale
    assert served.body is prepared_market_body(choice=choice(resolution="5m")).body
