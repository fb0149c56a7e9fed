from __future__ import annotations

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.core.web.middleware import RequestIdMiddleware, client_address

seen: list[str] = []


def _view(request: HttpRequest) -> HttpResponse:
    seen.append(structlog.contextvars.get_contextvars()["request_id"])
    return HttpResponse()


def test_offered_id_is_kept_and_returned(rf: RequestFactory) -> None:
    request = rf.get("/", headers={"X-Request-Id": "trace-1234"})
    response = RequestIdMiddleware(_view)(request)
    assert response["X-Request-Id"] == "trace-1234" == seen[-1]


@pytest.mark.parametrize(
    "offered", ["", "short", "x" * 65, "has space 1", "line\nbreak1", "<b>12345"]
)
def test_missing_or_odd_id_is_replaced_by_a_new_one(rf: RequestFactory, offered: str) -> None:
    responses = [
        RequestIdMiddleware(_view)(rf.get("/", HTTP_X_REQUEST_ID=offered)) for _ in range(2)
    ]
    ids = {response["X-Request-Id"] for response in responses}
    assert len(ids) == 2
    assert all(len(one) == 32 and one.isalnum() for one in ids)


def test_id_does_not_leak_into_the_next_request(rf: RequestFactory) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        RequestIdMiddleware(fail)(rf.get("/"))
    assert "request_id" not in structlog.contextvars.get_contextvars()


def test_client_address_is_the_peer_and_not_a_header(rf: RequestFactory) -> None:
    request = rf.get("/", REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "10.0.0.1"})
    assert client_address(request) == "192.0.2.7"
