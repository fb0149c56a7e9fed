from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.test import Client, RequestFactory

from config.core.api.idempotency import idempotent
from config.core.errors import Conflict, InvalidInput
from tests.config.core import urls
from tests.servers.valkey import RunningValkey

pytestmark = [pytest.mark.urls("tests.config.core.urls"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    urls.calls.clear()


def _client(name: str) -> Client:
    client = Client()
    user = get_user_model().objects.filter(username=name).first()
    client.force_login(user or get_user_model().objects.create_user(username=name))
    return client


@pytest.fixture
def client() -> Client:
    return _client("trader")


def _post(client: Client, body: dict[str, Any], sent_key: str | None = "key-1") -> Any:
    headers = {"Idempotency-Key": sent_key} if sent_key is not None else {}
    return client.post("/api/sync", body, content_type="application/json", headers=headers)


def test_same_key_and_body_runs_once_and_answers_alike(client: Client) -> None:
    first, second = _post(client, {"a": 1}), _post(client, {"a": 1})
    assert len(urls.calls) == 1
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json() == {"run": 1}
    assert second["Location"] == "/api/runs/1"
    assert second["Content-Type"] == first["Content-Type"]
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first


def test_without_a_key_each_request_counts(client: Client) -> None:
    _post(client, {"a": 1}, None)
    _post(client, {"a": 1}, None)
    assert len(urls.calls) == 2


def test_another_key_runs_again(client: Client) -> None:
    _post(client, {"a": 1}, "key-1")
    _post(client, {"a": 1}, "key-2")
    assert len(urls.calls) == 2


def test_same_key_with_another_body_is_a_conflict(client: Client) -> None:
    _post(client, {"a": 1})
    response = _post(client, {"a": 2})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "conflict"
    assert len(urls.calls) == 1


def test_keys_of_two_users_are_two_keys(client: Client) -> None:
    _post(client, {"a": 1})
    assert _post(_client("other"), {"a": 1}).json() == {"run": 2}


@pytest.mark.parametrize("answer", ["error", "unavailable"])
def test_failure_is_not_kept(client: Client, answer: str) -> None:
    _post(client, {"answer": answer})
    _post(client, {"answer": answer})
    assert len(urls.calls) == 2


@pytest.mark.parametrize("sent_key", ["", "with space", "x" * 129])
def test_impossible_key_is_400(client: Client, sent_key: str) -> None:
    response = _post(client, {"a": 1}, sent_key)
    assert response.status_code == 400
    assert "Idempotency-Key" in response.json()["error"]["fields"]
    assert urls.calls == []


def test_plain_django_view_works_alike(client: Client) -> None:
    headers = {"Idempotency-Key": "key-1"}
    for _ in range(2):
        response = client.post("/api/plain-sync", {"a": "1"}, headers=headers)
        assert json.loads(response.content) == {"run": 1}
    other = client.post("/api/plain-sync", {"a": "2"}, headers=headers)
    assert other.status_code == 409


def test_second_request_while_the_first_runs_is_a_conflict(rf: RequestFactory) -> None:
    started, may_end = threading.Event(), threading.Event()

    @idempotent
    def slow(request: Any) -> HttpResponse:
        started.set()
        may_end.wait(5)
        return JsonResponse({})

    request = rf.post("/slow", headers={"Idempotency-Key": "key-1"})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow, request)
        started.wait(5)
        with pytest.raises(Conflict, match="still running"):
            slow(rf.post("/slow", headers={"Idempotency-Key": "key-1"}))
        may_end.set()
        assert first.result(5).status_code == 200


def test_key_is_checked_before_anything_runs(rf: RequestFactory) -> None:
    @idempotent
    def never(request: Any) -> HttpResponse:
        raise AssertionError

    with pytest.raises(InvalidInput):
        never(rf.post("/never", headers={"Idempotency-Key": "a b"}))


def test_without_redis_the_request_still_runs(client: Client, valkey: RunningValkey) -> None:
    valkey.process.send_signal(19)
    try:
        assert _post(client, {"a": 1}).status_code == 202
    finally:
        valkey.process.send_signal(18)
