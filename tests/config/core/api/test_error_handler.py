from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.utils import OperationalError
from django.http import Http404
from django.test import Client
from rest_framework import exceptions

from config.core.api import error_handler
from config.core.api.error_handler import csrf_failure, handle_exception

pytestmark = pytest.mark.urls("tests.config.core.urls")


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


EXPECTED = [
    ("invalid", 400, "invalid_input"),
    ("missing", 404, "not_found"),
    ("conflict", 409, "conflict"),
    ("limited", 429, "provider_rate_limited"),
    ("provider", 502, "provider_unreachable"),
    ("database", 503, "database_unavailable"),
    ("driver", 503, "database_unavailable"),
    ("django404", 404, "not_found"),
    ("django403", 403, "permission_denied"),
    ("bug", 500, "internal_error"),
]


@pytest.mark.parametrize(("name", "status", "code"), EXPECTED)
@pytest.mark.parametrize("prefix", ["/api/errors", "/api/django"], ids=["rest", "plain"])
def test_api_error_has_one_shape_and_no_internals(
    client: Client, prefix: str, name: str, status: int, code: str
) -> None:
    response = client.get(f"{prefix}/{name}", headers={"X-Request-Id": "request-0001"})
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == "request-0001" == response["X-Request-Id"]
    for internal in ("secret internals", "Traceback", "hunter2", "10.0.0.1"):
        assert internal not in response.content.decode()


def test_fields_are_named_where_there_are_any(client: Client) -> None:
    fields = client.get("/api/errors/invalid").json()["error"]["fields"]
    assert fields == {"strike": "Not a number."}
    assert "fields" not in client.get("/api/errors/missing").json()["error"]


def test_malformed_request_is_400(client: Client) -> None:
    response = client.get("/api/django/suspicious")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")


def test_unknown_api_address_is_json_404(client: Client) -> None:
    response = client.get("/api/nowhere")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [("limited", "Retry-After", "4"), ("throttled", "Retry-After", "8")],
)
def test_wait_is_said_in_the_header(client: Client, name: str, header: str, value: str) -> None:
    assert client.get(f"/api/errors/{name}")[header] == value


def test_rest_frameworks_own_errors_keep_their_code(client: Client) -> None:
    response = client.get("/api/errors/method")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


def test_without_log_in_is_401_with_a_challenge(client: Client) -> None:
    response = client.get("/api/private")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "not_authenticated"


def test_nested_validation_errors_name_the_path_of_the_field(client: Client) -> None:
    body = {"legs": [{"strike": "1"}, {"strike": "abc"}]}
    response = client.post("/api/orders", body, content_type="application/json")
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "invalid_input"
    assert set(error["fields"]) == {"account_id", "legs.1.strike"}
    assert "account_id" in error["message"]


@pytest.mark.parametrize("body", ["{half", "[1]", '"text"', "null"])
def test_unusable_body_is_400(client: Client, body: str) -> None:
    response = client.post("/api/orders", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_unknown_body_type_is_415(client: Client) -> None:
    assert client.post("/api/orders", "a", content_type="text/csv").status_code == 415


@pytest.mark.parametrize(
    ("name", "status"),
    [("missing", 404), ("conflict", 409), ("database", 503), ("driver", 503), ("bug", 500)],
)
def test_page_error_is_a_page_with_the_status(client: Client, name: str, status: int) -> None:
    response = client.get(f"/pages/{name}")
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/")
    assert "secret internals" not in response.content.decode()
    assert "hunter2" not in response.content.decode()


def test_unexpected_error_is_logged_with_its_trace(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        client.get("/api/errors/bug")
    assert any(record.exc_info for record in caplog.records)


def test_errors_of_a_list_are_numbered() -> None:
    error = exceptions.ValidationError([{}, {"strike": ["Not a number."]}])
    response = handle_exception(error, {})
    assert response is not None
    assert response.data["error"]["fields"] == {"1.strike": "Not a number."}


def test_page_whose_frame_needs_the_lost_database_shows_nobody(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(*arguments: Any, **named: Any) -> None:
        raise OperationalError("connection lost, password=hunter2")

    monkeypatch.setattr(error_handler, "render", render)
    response = client.get("/pages/database")
    assert response.status_code == 503
    page = response.content.decode()
    assert "The database is not reachable." in page
    assert "site-header" in page
    assert "hunter2" not in page


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (lambda request: error_handler.handler400(request, SuspiciousOperation()), 400),
        (lambda request: error_handler.handler403(request, PermissionDenied()), 403),
        (lambda request: error_handler.handler404(request, Http404()), 404),
        (error_handler.handler500, 500),
        (csrf_failure, 403),
    ],
)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_error_is_a_page_of_the_desk_with_the_request_id(
    rf: Any, handler: Any, status: int, theme: str
) -> None:
    request = rf.post("/somewhere")
    request.COOKIES["greekdesk_theme"] = theme
    request.request_id = "0123456789abcdef"
    response = handler(request)
    page = response.content.decode()
    assert response.status_code == status
    assert f"Error {status}" in page
    for shown in (f'lang="en" data-theme="{theme}"', "site-header", "0123456789abcdef", "<h1>"):
        assert shown in page
    assert request.META["CSRF_COOKIE"] if "csrfmiddlewaretoken" in page else True


def test_address_that_only_takes_forms_says_so_on_a_page(
    client: Client, admin_client: Client
) -> None:
    response = admin_client.get("/sync")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "This address takes a form, not a visit." in response.content.decode()
    assert "site-header" in response.content.decode()


def test_csrf_failure_is_json_for_programs_and_a_page_for_people(rf: Any) -> None:
    assert csrf_failure(rf.post("/api/sync"), "no token")["Content-Type"] == "application/json"
    page = csrf_failure(rf.post("/sync"), "no token")
    assert page.status_code == 403
    assert page["Content-Type"].startswith("text/html")
