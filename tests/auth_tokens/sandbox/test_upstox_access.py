"""The simulated Upstox itself: the flow of its log-in and the rules of its tokens, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest

from auth_tokens.broker_log_ins import upstox_source
from auth_tokens.broker_tokens.errors import CredentialsRefused, TokenError
from auth_tokens.sandbox.upstox.access import ANALYTICS_TOKEN, API_KEY, API_SECRET, UpstoxAccess
from auth_tokens.sandbox.upstox.person import FAILURES_BEFORE_LOCK, MOBILE, PIN, TOTP_SECRET
from config.core.errors import MalformedResponse, ProviderClosed, RetryableError
from tests.auth_tokens.upstox_site import REDIRECT_URI, UpstoxSite

pytestmark = pytest.mark.usefixtures("valkey")


def log_in(site: UpstoxSite, *, pin: str = PIN) -> str:
    """Return the code of OAuth, as a browser would come by it."""
    with httpx.Client(base_url=site.url) as client:
        asked = {"response_type": "code", "client_id": API_KEY, "redirect_uri": REDIRECT_URI}
        dialog = client.get("/v2/login/authorization/dialog", params=asked | {"state": "s"})
        page = dialog.headers["location"].removeprefix("/upstox")
        code = pyotp.TOTP(TOTP_SECRET).now()
        for step, value in (("mobile", MOBILE), ("code", code), ("pin", pin)):
            said = client.post(f"{page}/{step}", json={"value": value}).json()
        return parse_qs(urlsplit(said.get("location", "")).query).get("code", [""])[0]


def buy(site: UpstoxSite, code: str, **changed: str) -> httpx.Response:
    form = {
        "code": code,
        "client_id": API_KEY,
        "client_secret": API_SECRET,
        "redirect_uri": REDIRECT_URI,
        "grant_type": "authorization_code",
    }
    return httpx.post(f"{site.url}/v2/login/authorization/token", data=form | changed)


def error_code(answer: httpx.Response) -> str:
    body = answer.json()
    assert body["status"] == "error"
    assert {"errorCode", "message", "propertyPath", "invalidValue"} <= set(body["errors"][0])
    return str(body["errors"][0]["errorCode"])


def test_code_buys_one_token_once(upstox: UpstoxSite) -> None:
    code = log_in(upstox)
    token = buy(upstox, code).json()["access_token"]

    assert upstox.access.accepts(f"Bearer {token}")
    assert error_code(buy(upstox, code)) == "UDAPI100057"
    assert upstox.access.log_ins == 1


def test_token_needs_the_apps_own_secret_and_address(upstox: UpstoxSite) -> None:
    refused = buy(upstox, log_in(upstox), client_secret="another")
    assert (refused.status_code, error_code(refused)) == (401, "UDAPI100016")
    elsewhere = buy(upstox, log_in(upstox), redirect_uri="https://elsewhere.example")
    assert error_code(elsewhere) == "UDAPI100069"
    as_json = httpx.post(f"{upstox.url}/v2/login/authorization/token", json={})
    assert error_code(as_json) == "UDAPI10000"


def test_call_without_a_valid_token_is_answered_as_upstox_does(upstox: UpstoxSite) -> None:
    refused = httpx.get(f"{upstox.url}/v2/user/profile", headers={"Authorization": "Bearer x"})
    assert (refused.status_code, error_code(refused)) == (401, "UDAPI100050")
    opened = httpx.get(
        f"{upstox.url}/v2/user/profile", headers={"Authorization": f"Bearer {ANALYTICS_TOKEN}"}
    )
    assert opened.status_code == 200


def test_token_ends_at_half_past_three_in_india() -> None:
    at = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
    access = UpstoxAccess(clock=lambda: at)
    header = f"Bearer {access.grant()}"

    at = datetime(2026, 11, 27, 21, 59, 59, tzinfo=UTC)
    assert access.accepts(header)
    at += timedelta(seconds=1)
    assert not access.accepts(header)
    assert access.accepts(f"Bearer {ANALYTICS_TOKEN}")


def test_wrong_entries_in_a_row_lock_the_account(upstox: UpstoxSite) -> None:
    for _ in range(FAILURES_BEFORE_LOCK):
        assert log_in(upstox, pin="000000") == ""
    assert upstox.access.person.is_locked
    assert log_in(upstox) == ""


def test_desk_understands_why_it_gets_no_token(upstox: UpstoxSite, settings: Any) -> None:
    with pytest.raises(TokenError, match="Invalid Auth code"):
        upstox_source._token_for("used-before")
    settings.UPSTOX_API_SECRET = "another"
    with pytest.raises(CredentialsRefused, match="UPSTOX_API_SECRET") as refused:
        upstox_source._token_for(log_in(upstox))
    assert "another" not in str(refused.value)


def test_desk_waits_while_upstox_is_closed(upstox: UpstoxSite) -> None:
    upstox.access.closed_at_night = True
    upstox.access.clock = lambda: datetime(2026, 11, 26, 20, 0, tzinfo=UTC)

    with pytest.raises(ProviderClosed) as closed:
        upstox_source._token_for("any")

    assert closed.value.retry_after is not None
    assert closed.value.retry_after >= 300


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503, "body": "busy"}, RetryableError),
        ({"status": 200, "body": "<html>"}, MalformedResponse),
        ({"status": 200, "body": {"access_token": None}}, MalformedResponse),
        ({"status": 200, "body": {"access_token": "two\nlines"}}, MalformedResponse),
        ({"disconnect": True}, RetryableError),
    ],
)
def test_answer_that_is_no_token_is_an_error_and_the_code_is_sent_once(
    upstox: UpstoxSite, fault: dict[str, Any], error: type[Exception]
) -> None:
    upstox.sandbox.faults.add(**fault, path="/token$", times=None)

    with pytest.raises(error):
        upstox_source._token_for("code-of-today")

    assert len(upstox.sandbox.faults.requests(path="/token$")) == 1
