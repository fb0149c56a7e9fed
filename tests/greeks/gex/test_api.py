"""``/api/gex``: documented fields, the cache's facts, the last good one, and past days."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django_redis import get_redis_connection
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from config.core.caching.reading import key_of, manager
from config.core.caching.resources import Question
from config.core.caching.warmer import HEARTBEAT
from config.core.caching.warming import answers_to_warm
from config.core.errors import RetryableError
from config.core.health import heartbeat
from greeks.gex.chains.fetching import fetch_exposure
from greeks.gex.reading import complete_question, get_gex, refresh_gex
from greeks.gex.resource import GEX
from greeks.gex.snapshots import due_symbols, take_snapshot
from greeks.models import GexSnapshot
from greeks.tasks.gex import snapshot_gex_task
from tests.factories import UserFactory
from tests.greeks.conftest import Desk
from tests.greeks.gex.conftest import AT
from tests.greeks.scripted import EXPIRY, LATER

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
DOCUMENTED = {
    "symbol", "gamma_exposure", "call_wall", "put_wall", "timestamp", "cached",
    "cache_age_seconds",
}  # fmt: skip


def gex(**parameters: Any) -> Any:
    return Client().get("/api/gex", parameters)


def test_body_has_the_documented_fields_and_both_expiries(polled: Desk) -> None:
    body = gex(symbol="NIFTY").json()
    assert body.keys() >= DOCUMENTED
    assert (body["symbol"], body["currency"], body["cached"]) == ("NIFTY", "INR", False)
    assert body["timestamp"] == "2026-11-27T10:15:00+05:30"
    assert body["open_interest_as_of"] == "2026-11-27"
    assert body["detail"]["by_expiry"]["expiry"] == [EXPIRY.isoformat(), LATER.isoformat()]
    assert body["put_wall"] <= body["spot"] <= body["call_wall"]
    assert Client().get("/api/market/gex").json()["gamma_exposure"] == body["gamma_exposure"]


def test_answer_is_computed_once_in_five_minutes_and_says_its_age(
    polled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []

    def counted(subject: Any) -> Any:
        computed.append(subject.symbol)
        return fetch_exposure(subject)

    monkeypatch.setattr("greeks.gex.reading.fetch_exposure", counted)
    first, second = get_gex("NIFTY"), get_gex("nifty")
    assert computed == ["NIFTY"]
    assert (first.cached, second.cached) == (False, True)
    assert second.cache_age_seconds is not None
    assert second.gamma_exposure == first.gamma_exposure
    assert not refresh_gex("NIFTY").cached
    assert computed == ["NIFTY"] * 2


def test_facts_of_the_cache_are_headers(polled: Desk) -> None:
    first, second = gex(symbol="NIFTY"), gex(symbol="NIFTY")
    assert (first["X-Cache"], second["X-Cache"]) == ("miss", "hit")
    assert first["X-Cache-Timestamp"] == second["X-Cache-Timestamp"]
    assert 0 < int(second["X-Cache-TTL-Remaining"]) <= 300
    replayed = gex(symbol="NIFTY", expiries=EXPIRY.isoformat())
    assert (replayed["X-Cache"], "X-Cache-TTL-Remaining" in replayed) == ("miss", False)


def test_entry_is_named_by_symbol_and_date_and_lives_five_minutes(polled: Desk) -> None:
    get_gex("NIFTY")
    key = key_of(GEX, Question(None, complete_question()))
    assert key == "gex:NIFTY:2026-11-27"
    ttl = manager.get_ttl(key)
    assert ttl is not None
    assert 260 <= ttl <= 300


def test_last_good_answer_of_the_day_before_is_found_without_a_snapshot(
    polled: Desk, settings: Settings
) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    good = refresh_gex("NIFTY")
    settings.MARKET_CLOCK = (AT + timedelta(days=2)).isoformat()
    polled.provider.error = RetryableError("The market is out.", provider="scripted")
    answer = get_gex("NIFTY")
    assert (answer.stale, answer.gamma_exposure) == (True, good.gamma_exposure)


def test_failure_gives_the_last_good_answer_with_its_age_and_reason(
    polled: Desk, settings: Settings
) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    good = refresh_gex("NIFTY")
    polled.provider.error = RetryableError("The market is out.", provider="scripted")
    answer = refresh_gex("NIFTY")
    assert (answer.stale, answer.problem) == (True, "The market is out.")
    assert answer.gamma_exposure == good.gamma_exposure
    get_redis_connection("default").flushall()
    assert gex(symbol="NIFTY").status_code == 502


def test_without_a_kept_answer_the_newest_snapshot_is_the_last_good_one(
    polled: Desk, settings: Settings
) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    take_snapshot(symbol="NIFTY")
    get_redis_connection("default").flushall()
    settings.MARKET_CLOCK = (AT + timedelta(minutes=7)).isoformat()
    polled.provider.error = RetryableError("The market is out.", provider="scripted")
    answer = gex(symbol="NIFTY").json()
    assert (answer["stale"], answer["cache_age_seconds"]) == (True, 420.0)
    assert answer["detail"]["by_strike"]["strike"]


def test_polled_chain_and_provider_s_whole_chain_agree(polled: Desk, settings: Settings) -> None:
    by_poll = get_gex("NIFTY").gamma_exposure
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    assert refresh_gex("NIFTY").gamma_exposure == pytest.approx(by_poll)


def test_definition_dealers_and_expiries_can_be_chosen(polled: Desk) -> None:
    usual = gex(symbol="NIFTY").json()
    other = gex(symbol="NIFTY", dealers="short_calls_long_puts").json()
    assert other["gamma_exposure"] == -usual["gamma_exposure"]
    preset = gex(symbol="NIFTY", definition="perfiliev_262_drop_0dte").json()
    assert preset["definition"]["version"] == "perfiliev_262_drop_0dte.2"
    assert preset["gamma_exposure"] != usual["gamma_exposure"]
    near = gex(symbol="NIFTY", expiries=EXPIRY.isoformat()).json()
    assert near["detail"]["by_expiry"]["expiry"] == [EXPIRY.isoformat()]
    assert near["absolute_exposure"] < usual["absolute_exposure"]
    assert gex(symbol="NIFTY").json()["cached"]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"definition": "mine"}, "definition"),
        ({"dealers": "nobody"}, "dealers"),
        ({"expiries": "soon"}, "expiries"),
        ({"expiries": "2030-01-01"}, "expiries"),
        ({"at": "10:00"}, "at"),
        ({"date": "2026-11-27", "expiries": "2026-12-01"}, "expiries"),
        ({"strike": "1"}, "strike"),
    ],
)
def test_wrong_parameter_is_named(polled: Desk, parameters: dict[str, str], field: str) -> None:
    refused = gex(symbol="NIFTY", **parameters)
    assert refused.status_code == 400
    assert list(refused.json()["error"]["fields"]) == [field]


def test_unknown_symbol_is_not_found_and_the_known_are_named(polled: Desk) -> None:
    refused = gex(symbol="GME")
    assert refused.status_code == 404
    assert "Known: NIFTY" in refused.json()["error"]["message"]


def test_refresh_needs_a_user(polled: Desk) -> None:
    client = Client()

    def refresh() -> Any:
        asked = {"symbol": "NIFTY"}
        return client.post("/api/gex/refresh", asked, content_type="application/json")

    assert refresh().status_code in (401, 403)
    client.force_login(UserFactory.create())
    assert refresh().json()["cached"] is False


# --- Snapshots --------------------------------------------------------------------------------
def test_snapshot_is_one_a_slot_and_names_its_definition(polled: Desk) -> None:
    assert take_snapshot(symbol="NIFTY")
    assert take_snapshot(symbol="NIFTY")
    row = GexSnapshot.objects.get()
    assert (row.slot, row.session_date, row.source) == (AT, date(2026, 11, 27), "scripted")
    assert (row.definition_version, row.dealers) == (
        "settlement_instant.2",
        "long_calls_short_puts",
    )
    assert row.gamma_exposure == get_gex("NIFTY").gamma_exposure


def test_history_shows_one_definition_only(
    polled: Desk, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    take_snapshot(symbol="NIFTY")
    settings.MARKET_CLOCK = (AT + timedelta(minutes=5)).isoformat()
    take_snapshot(symbol="NIFTY")
    settings.GEX_DEFINITION = "perfiliev_262_drop_0dte"
    take_snapshot(symbol="NIFTY")
    assert GexSnapshot.objects.count() == 3
    with django_assert_num_queries(3):
        body = Client().get("/api/gex/history", {"symbol": "NIFTY"}).json()
    assert body["definition"]["version"] == "perfiliev_262_drop_0dte.2"
    assert body["at"] == ["2026-11-27T10:20:00+05:30"]
    other = {"symbol": "NIFTY", "definition": "settlement_instant", "date": "2026-11-27"}
    assert len(Client().get("/api/gex/history", other).json()["at"]) == 2


def test_past_snapshot_is_replayed_up_to_the_time_asked(polled: Desk, settings: Settings) -> None:
    first = gex(symbol="NIFTY").json()
    take_snapshot(symbol="NIFTY")
    settings.MARKET_CLOCK = (AT + timedelta(minutes=5)).isoformat()
    take_snapshot(symbol="NIFTY")
    replayed = gex(symbol="NIFTY", date="2026-11-27", at="10:19").json()
    assert replayed["gamma_exposure"] == first["gamma_exposure"]
    assert replayed["detail"] == first["detail"]
    assert [each[11:16] for each in replayed["snapshots"]] == ["10:15", "10:20"]
    assert gex(symbol="NIFTY", date="2026-11-27", at="10:14").status_code == 404
    assert gex(symbol="NIFTY", date="2026-11-20").status_code == 404


def test_stale_answer_is_not_stored(polled: Desk, settings: Settings) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    refresh_gex("NIFTY")
    polled.provider.error = RetryableError("The market is out.", provider="scripted")
    assert not take_snapshot(symbol="NIFTY")
    assert not GexSnapshot.objects.exists()


def test_snapshots_are_taken_while_the_exchange_is_open(
    polled: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GEX_SYMBOLS = ["SPY"]
    assert due_symbols(AT) == ["NIFTY"]
    assert due_symbols(AT + timedelta(hours=12)) == ["SPY"]
    assert due_symbols(AT + timedelta(days=1)) == []
    queued: list[Any] = []
    monkeypatch.setattr("greeks.tasks.gex.enqueue", lambda *given, **_: queued.append(given[1]))
    snapshot_gex_task()
    assert queued == [{"symbol": "NIFTY"}]


def test_one_fetch_is_the_warmers_answer_and_the_snapshot(
    polled: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    queued: list[Any] = []
    monkeypatch.setattr("greeks.tasks.gex.enqueue", lambda *given, **_: queued.append(given[1]))
    heartbeat(HEARTBEAT)
    snapshot_gex_task()
    for each in answers_to_warm():
        each.warm()
    assert queued == []
    row = GexSnapshot.objects.get()
    assert (row.symbol, row.slot) == ("NIFTY", AT)
    assert row.gamma_exposure == get_gex("NIFTY").gamma_exposure
    # What it leaves out, and all while it does not run, the task takes.
    settings.CACHE_WARM_SYMBOLS = ["SPY"]
    snapshot_gex_task()
    settings.CACHE_WARM_SYMBOLS, settings.CACHE_WARMING = [], False
    snapshot_gex_task()
    assert queued == [{"symbol": "NIFTY"}] * 2


def test_without_redis_a_fetched_symbol_is_still_computed(
    polled: Desk, settings: Settings, tmp_path: Path
) -> None:
    settings.GEX_SYMBOLS, settings.GEX_SOURCE = ["NIFTY"], "scripted"
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    assert get_gex("NIFTY").gamma_exposure is not None
