"""The log-in at Upstox in a real headless Chromium, against the sandbox's site."""

from __future__ import annotations

import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from auth_tokens.broker_log_ins import upstox as flow
from auth_tokens.broker_log_ins import upstox_source
from auth_tokens.broker_log_ins.totp import OneTimeCodes
from auth_tokens.broker_tokens.errors import (
    AccountLocked,
    BrowserFailed,
    BrowserMissing,
    CredentialsRefused,
    LogInBlocked,
    LogInTimedOut,
    MobileRefused,
    OneTimeCodeRefused,
    PageChanged,
    PinRefused,
    StateMismatch,
)
from auth_tokens.broker_tokens.manager import get_token, refresh_token
from auth_tokens.models import BrokerToken, TokenEvent
from auth_tokens.sandbox.upstox.person import FAILURES_BEFORE_LOCK
from config.core.clock import now
from tests.auth_tokens.upstox_site import REDIRECT_URI, UpstoxSite

#: The site after a redesign: other ids.
CHANGED_PAGE = (
    '<!doctype html><html lang="en"><head><title>Welcome back</title></head><body>'
    '<form><label for="identifier">Mobile or e-mail</label><input id="identifier">'
    '<button id="next">Next</button></form></body></html>'
)

#: Cloudflare's page for a browser it blocks.
BLOCK_PAGE = (
    "<!doctype html><html><head><title>Access denied | Cloudflare</title></head><body>"
    "<h1>Error 1010</h1><p>The owner of this website has banned your access based on your "
    "browser's signature.</p><p>Cloudflare Ray ID: 8f00000000000000</p></body></html>"
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def pictures() -> list[Path]:
    folder = Path(os.environ["VAR_DIR"]) / "log_ins"
    return sorted(folder.glob("upstox-*.png"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let failing steps time out sooner than a real site needs."""
    monkeypatch.setattr(upstox_source, "UpstoxLogIn", partial(flow.UpstoxLogIn, step_seconds=4.0))
    for picture in pictures():
        picture.unlink()


def test_log_in_gives_a_token_that_opens_until_half_past_three_in_india(
    upstox: UpstoxSite,
) -> None:
    token = get_token("upstox")

    answer = httpx.get(
        f"{upstox.url}/v2/user/profile", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200
    row = BrokerToken.objects.get(provider="upstox")
    assert row.expires_at is not None
    ends_at = row.expires_at.astimezone(ZoneInfo("Asia/Kolkata"))
    assert (ends_at.hour, ends_at.minute) == (3, 30)
    assert timedelta(0) < row.expires_at - now() <= timedelta(days=1)
    assert (row.source, row.status) == ("browser", "valid")
    assert upstox.access.person.codes_typed == upstox.access.person.pins_typed == 1
    events = TokenEvent.objects.order_by("id").values_list("event", flat=True)
    assert list(events) == ["log_in.started", "token.renewed"]
    assert pictures() == []


@pytest.mark.parametrize("skew", [90, -90])
def test_clock_that_is_off_by_a_minute_and_a_half_makes_no_wrong_code(
    upstox: UpstoxSite, monkeypatch: pytest.MonkeyPatch, skew: int
) -> None:
    ours = partial(OneTimeCodes, clock=lambda: now() + timedelta(seconds=skew))
    monkeypatch.setattr(upstox_source, "OneTimeCodes", ours)

    get_token("upstox")

    assert upstox.access.person.codes_typed == 1


def test_site_whose_own_clock_is_off_gets_two_codes_and_no_more(
    upstox: UpstoxSite, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What its web server says is right; what checks the codes is a minute and a half away.
    upstox.access.person.clock = lambda: now() + timedelta(seconds=90)
    upstox.access.person.interval = 4
    monkeypatch.setattr(upstox_source, "OneTimeCodes", partial(OneTimeCodes, interval=4))

    with pytest.raises(OneTimeCodeRefused, match="UPSTOX_TOTP_SECRET"):
        get_token("upstox")
    with pytest.raises(OneTimeCodeRefused):
        refresh_token("upstox")

    assert upstox.access.person.codes_typed == 2
    assert upstox.access.person.failures < FAILURES_BEFORE_LOCK
    assert BrokerToken.objects.get(provider="upstox").status == "stopped"


def test_wrong_pin_is_typed_once_and_stops_until_the_operator_changes_it(
    upstox: UpstoxSite, settings: Any
) -> None:
    right, settings.UPSTOX_PIN = settings.UPSTOX_PIN, "111222"

    for _ in range(3):
        with pytest.raises(PinRefused, match="UPSTOX_PIN"):
            get_token("upstox")

    assert upstox.access.person.pins_typed == 1
    stopped = TokenEvent.objects.get(event="renewal.stopped")
    assert stopped.code == "token_pin_refused"
    [picture] = pictures()
    assert stopped.screenshot == picture.name
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert picture.read_bytes().startswith(b"\x89PNG")

    settings.UPSTOX_PIN = right
    assert get_token("upstox")


def test_locked_account_is_said_and_left_alone(upstox: UpstoxSite) -> None:
    upstox.access.person.failures = FAILURES_BEFORE_LOCK

    with pytest.raises(AccountLocked, match="locked"):
        get_token("upstox")
    with pytest.raises(AccountLocked):
        get_token("upstox")

    assert upstox.access.person.codes_typed == upstox.access.person.pins_typed == 0


def test_unknown_mobile_number_is_said(upstox: UpstoxSite, settings: Any) -> None:
    settings.UPSTOX_MOBILE = "9000000002"

    with pytest.raises(MobileRefused, match="UPSTOX_MOBILE"):
        get_token("upstox")


def test_changed_page_is_said_and_no_credential_is_typed(upstox: UpstoxSite) -> None:
    upstox.answers_with_page(CHANGED_PAGE, path="^/login/[^/]+$")

    with pytest.raises(PageChanged, match="mobileNum"):
        get_token("upstox")

    assert len(pictures()) == 1
    assert not TokenEvent.objects.filter(event="log_in.started").exists()
    assert not upstox.sandbox.faults.requests(path="/mobile$")


def test_block_page_is_said_and_left_alone_for_half_an_hour(upstox: UpstoxSite) -> None:
    upstox.answers_with_page(BLOCK_PAGE, path="^/login/[^/]+$", status=403)

    for _ in range(2):
        with pytest.raises(LogInBlocked):
            get_token("upstox")

    assert len(upstox.sandbox.faults.requests(path="/dialog$")) == 1
    row = BrokerToken.objects.get(provider="upstox")
    assert row.next_try_at is not None
    assert row.next_try_at - datetime.now(UTC) > timedelta(minutes=29)
    assert len(pictures()) == 1


def test_app_that_upstox_does_not_know_is_said(upstox: UpstoxSite, settings: Any) -> None:
    settings.UPSTOX_API_KEY = "another-key"

    with pytest.raises(CredentialsRefused, match="UPSTOX_API_KEY"):
        get_token("upstox")


def test_redirect_with_another_state_is_not_used(upstox: UpstoxSite) -> None:
    upstox.sandbox.faults.add(
        path="/pin$", replace={"/location": f"{REDIRECT_URI}?code=of-a-stranger&state=another"}
    )

    with pytest.raises(StateMismatch):
        get_token("upstox")

    assert not upstox.sandbox.faults.requests(path="/authorization/token$")


def test_site_that_does_not_answer_is_said(upstox: UpstoxSite, settings: Any) -> None:
    settings.UPSTOX_LOGIN_URL = "http://127.0.0.1:9/dialog"

    with pytest.raises(LogInTimedOut, match="ERR_"):
        get_token("upstox")

    assert not TokenEvent.objects.filter(event="log_in.started").exists()


def test_browser_that_does_not_start_is_said(upstox: UpstoxSite, settings: Any) -> None:
    settings.CHROMEDRIVER_PATH = shutil.which("false")

    with pytest.raises(BrowserFailed):
        get_token("upstox")


@pytest.mark.parametrize("setting", ["CHROMIUM_PATH", "CHROMEDRIVER_PATH"])
def test_browser_that_is_not_there_is_said_and_spends_no_try(
    upstox: UpstoxSite, settings: Any, setting: str
) -> None:
    setattr(settings, setting, "/nowhere/at/all")

    with pytest.raises(BrowserMissing, match=setting):
        get_token("upstox")

    assert not TokenEvent.objects.filter(event="log_in.started").exists()


def test_totp_secret_that_is_none_is_said_without_it(upstox: UpstoxSite, settings: Any) -> None:
    settings.UPSTOX_TOTP_SECRET = "not base32 0189"

    with pytest.raises(CredentialsRefused, match="base32") as raised:
        get_token("upstox")

    assert "0189" not in str(raised.value)
