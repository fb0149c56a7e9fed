from __future__ import annotations

import time

import pytest
from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client
from tests.config.core.servers import OwnValkey


def test_key_joins_its_parts_under_the_project() -> None:
    assert key("lock", "account.1") == "greekdesk:lock:account.1"


def test_answers_are_text_and_the_client_is_shared(own_valkey: OwnValkey) -> None:
    redis_client().set("name", "Ωmega")
    assert redis_client().get("name") == "Ωmega"
    assert redis_client() is redis_client()


def test_connection_closed_by_the_server_is_reopened_unseen(own_valkey: OwnValkey) -> None:
    redis_client().set("name", "kept")
    own_valkey.client().client_kill_filter(_type="normal", skipme=True)
    assert redis_client().get("name") == "kept"


def test_hanging_redis_costs_one_time_out_and_not_one_a_call(own_valkey: OwnValkey) -> None:
    redis_client().ping()
    own_valkey.pause()
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(RedisError):
            redis_client().ping()
    assert time.monotonic() - started < 1.0


def test_hanging_redis_is_cheap_for_pipelines_too(own_valkey: OwnValkey) -> None:
    redis_client().ping()
    own_valkey.pause()
    started = time.monotonic()
    for _ in range(10):
        pipeline = redis_client().pipeline()
        pipeline.set("a", "1")
        with pytest.raises(RedisError):
            pipeline.execute()
    assert time.monotonic() - started < 1.0


def test_redis_is_used_again_after_it_comes_back(
    mortal_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.core.redis.client.PAUSE_AFTER_FAILURE", 0.05)
    redis_client().set("name", "first")
    mortal_valkey.kill()
    with pytest.raises(RedisError):
        redis_client().get("name")
    mortal_valkey.start()
    time.sleep(0.06)
    assert redis_client().get("name") is None


def test_callers_who_ask_often_see_redis_again_all_the_same(
    mortal_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.monotonic()
    monkeypatch.setattr("config.core.redis.client.time.monotonic", lambda: moment)
    redis_client().ping()
    mortal_valkey.kill()
    with pytest.raises(RedisError):
        redis_client().ping()
    mortal_valkey.start()
    for _ in range(3):
        moment += 0.3
        with pytest.raises(RedisError):
            redis_client().ping()
    moment += 0.3
    assert redis_client().ping()
