from __future__ import annotations

import io
import json
import logging
import logging.config
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pytest
import structlog

from config.core import redaction
from config.core.logging import logging_config
from config.core.redaction import is_secret_key, redact, redact_text

CANARY = "cAnArY7f3a9b21c4"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"authorization=Basic {CANARY}",
        f"headers={{'Authorization': 'Bearer {CANARY}'}}",
        f'{{"refresh_token": "{CANARY}", "a": 1}}',
        f'{{"access-token":"{CANARY}"}}',
        rf"body was '{{\"client_secret\": \"{CANARY}\"}}'",
        f"POST /oauth/token?client_secret={CANARY}&a=1",
        f"grant_type=refresh_token&refresh_token={CANARY}",
        f"password='{CANARY} with spaces {CANARY}'",
        f"PASSWORD: {CANARY}",
        f"apiKey={CANARY}",
        f"sessionid={CANARY}; csrftoken=abc",
        f"Set-Cookie: greekdesk_session={CANARY}; Path=/",
        f"otpauth://totp/Desk?secret={CANARY}",
        f"totp: {CANARY}",
        f"redis://:{CANARY}@10.0.0.1:6379/0",
        f"postgres://desk:{CANARY}@db/desk",
        f"Token {CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
        f"remember-token: {CANARY}",
        f"POST /oauth/token: {CANARY}",
        f"POST /oauth/token: 403{CANARY}",
    ],
)
def test_secret_in_text_is_replaced(text: str) -> None:
    cleaned = redact_text(text)
    assert CANARY not in cleaned
    assert redaction.REDACTED in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "GET /portfolio/U1234567/positions 200 in 12 ms",
        "delta=0.5123 gamma=0.0012 theta=-3.1",
        "spin: 5, opinion: good, spotprice=12.5",
        "SPXW  261218C06500000 bid 12.30 ask 12.50",
        "redis://127.0.0.1:6379/0",
        "no access here; the session ended",
        "broker GET /book: 401 your session expired",
        "tastytrade POST /oauth/token: 403 this account is closed",
        "upstox POST /v2/login/authorization/token: no answer (ReadTimeout).",
        "POST /oauth2/access_token: the answer came too slowly.",
    ],
)
def test_harmless_text_is_kept(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "access_token",
        "refreshToken",
        "userToken",
        "client-secret",
        "PASSWORD",
        "Authorization",
        "x-api-key",
        "totp_secret",
        "otp",
        "Cookie",
        "SECRET_KEY",
        "session_id",
    ],
)
def test_secret_names_are_known(name: str) -> None:
    assert is_secret_key(name)


@pytest.mark.parametrize(
    "name",
    ["account_id", "token_prefix", "token_id", "spin", "position", "token_expires_at", "delta"],
)
def test_harmless_names_are_known(name: str) -> None:
    assert not is_secret_key(name)


def test_nested_data_is_redacted_by_name_and_keeps_the_rest() -> None:
    data = {
        "account": "U1",
        "quantity": 2,
        "vendor": {"auth": [{"token": CANARY}, ("password", f"password={CANARY}")]},
        "raw": f"token={CANARY}".encode(),
        "empty": {"token": "", "secret": None},
    }
    cleaned = redact(data)
    assert CANARY not in repr(cleaned)
    assert (cleaned["account"], cleaned["quantity"]) == ("U1", 2)
    assert cleaned["empty"] == {"token": "", "secret": None}


def test_endless_nesting_ends() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert redaction.REDACTED in repr(redact(loop))


def test_configured_secrets_are_replaced_wherever_they_stand(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TASTYTRADE_REFRESH_TOKEN = "plain-words-without-a-name"
    redaction.read_secrets.cache_clear()
    assert redact_text("vendor said plain-words-without-a-name!") == "vendor said [redacted]!"


@pytest.mark.parametrize(
    "secret", ["a/b+c=d e", "quo\"te's", "ümlaut-8", "per%2Fcent+1", "8letters"]
)
def test_configured_secret_is_replaced_in_every_spelling(secret: str, settings: Any) -> None:
    """A vendor repeats an address or a body as it was sent; a log may hold its ``repr``."""
    settings.GEX_SERVICE_TOKEN = secret
    settings.CACHE_URL = f"redis://:{quote(secret, safe='')}@cache:6379/0"
    settings.GEX_SERVICE_URL = f"https://gex.example/{{symbol}}?key={quote('key of ' + secret)}"
    redaction.read_secrets.cache_clear()
    for spelled in (secret, unquote(secret), quote(secret), quote_plus(secret), repr(secret)):
        assert redaction.REDACTED in redact_text(f"vendor said {spelled}!"), spelled
    assert redaction.REDACTED in redact_text(json.dumps({"said": secret}))
    assert redact_text(f"k key of {secret}") == f"k {redaction.REDACTED}"


def test_long_text_is_redacted_in_time() -> None:
    text = ("a" * 200 + " token_" * 3 + "'\"{[" * 20) * 200
    started = time.perf_counter()
    redact_text(text)
    assert time.perf_counter() - started < 1.0


# --- The logs ---------------------------------------------------------------------------------
@pytest.fixture(params=[True, False], ids=["json", "console"])
def logged(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Return what the configured handler writes, with a separate logger to leave pytest's alone."""
    stream = io.StringIO()
    formatter = logging_config(json=request.param, level="DEBUG")["formatters"]["desk"]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        formatter["()"](
            processors=formatter["processors"], foreign_pre_chain=formatter["foreign_pre_chain"]
        )
    )
    logger = logging.getLogger("canary")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream.getvalue
    logger.removeHandler(handler)


def _fail_with_the_canary() -> None:
    refresh_token = CANARY
    raise RuntimeError(f"refused: refresh_token={refresh_token}")


def test_no_canary_reaches_the_log(logged: Callable[[], str]) -> None:
    ours, theirs = structlog.get_logger("canary"), logging.getLogger("canary")
    ours.info("call", token=CANARY, headers={"Authorization": f"Bearer {CANARY}"})
    ours.warning(f"failed with password={CANARY}")
    theirs.info("GET https://host/path?api_key=%s", CANARY)
    theirs.error("body %r", {"client_secret": CANARY})
    theirs.info("extra", extra={"totp_secret": CANARY})
    with structlog.contextvars.bound_contextvars(session_token=CANARY):
        ours.info("bound")
    try:
        _fail_with_the_canary()
    except RuntimeError:
        ours.exception("failed")
        theirs.exception("failed too")
    text = logged()
    assert CANARY not in text
    assert text.count("RuntimeError: refused") == 2
    assert "_fail_with_the_canary" in text


def test_event_keeps_its_fields(logged: Callable[[], str]) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        structlog.get_logger("canary").info("sync.finished", account="U1", positions=200)
    text = logged()
    for part in ("sync.finished", "U1", "200", "request-1", "canary"):
        assert part in text


def test_production_writes_one_json_object_a_line() -> None:
    script = (
        "import logging.config, structlog;"
        "from config.core.logging import logging_config;"
        "logging.config.dictConfig(logging_config(json=True, level='INFO'));"
        "structlog.get_logger('desk').info('one', token='abc', at='noon');"
        "logging.getLogger('other').warning('two\\nlines');"
        "logging.getLogger('httpx').info('GET https://host?key=1');"
        "structlog.get_logger('desk').debug('not at this level')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["one", "two\nlines"]
    assert lines[0]["token"] == redaction.REDACTED
    assert (lines[0]["at"], lines[0]["level"], lines[0]["logger"]) == ("noon", "info", "desk")
    assert lines[0]["timestamp"].endswith("Z")
