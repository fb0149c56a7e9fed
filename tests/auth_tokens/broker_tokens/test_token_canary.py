"""No secret of a log-in is found anywhere: logs, database, queue, pages, pictures, processes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from auth_tokens.broker_log_ins.browser import HeadlessBrowser
from auth_tokens.broker_tokens.errors import PinRefused
from auth_tokens.broker_tokens.manager import ProviderToken, get_token
from auth_tokens.broker_tokens.states import token_states
from auth_tokens.models import BrokerToken, User
from auth_tokens.sandbox.upstox.person import Person
from auth_tokens.tasks import ensure_token_task
from config.core.errors import UnauthorisedError
from config.core.http.caller import HttpCaller
from config.core.redis.client import redis_client
from tests.auth_tokens.upstox_site import CREDENTIALS, UpstoxSite

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECRETS = ("UPSTOX_API_SECRET", "UPSTOX_MOBILE", "UPSTOX_TOTP_SECRET", "UPSTOX_PIN")


@pytest.fixture
def log() -> Iterator[StringIO]:
    """The desk's log at its most talkative, as it would be written."""
    root = logging.getLogger()
    written = StringIO()
    handler = logging.StreamHandler(written)
    desk = next(each for each in root.handlers if isinstance(each.formatter, ProcessorFormatter))
    handler.setFormatter(desk.formatter)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


def processes() -> str:
    """Command lines and environments of the browser's processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "chrom" in line:
            found.append(line)
    return "\n".join(found)


def rows() -> str:
    """Return every row of every table, as text."""
    found = []
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            found += [str(values) for values in model._default_manager.values()]
    return "\n".join(found)


def queue() -> str:
    """Everything in Redis: keys, and the values that are texts or lists (the queue)."""
    client = redis_client()
    found = []
    for key in client.scan_iter():
        found.append(str(key))
        kind = client.type(key)
        if kind == "string":
            found.append(str(client.get(key)))
        elif kind == "list":
            found += map(str, client.lrange(key, 0, -1))
    return "\n".join(found)


def test_no_secret_is_found_anywhere(
    upstox: UpstoxSite,
    settings: Any,
    log: StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    client: Client,
) -> None:
    typed: list[str] = []
    places: dict[str, str] = {"processes": ""}
    check_code = Person.check_code

    def watched_code(person: Person, code: str) -> None:
        typed.append(code)
        places["processes"] += processes()
        check_code(person, code)

    monkeypatch.setattr(Person, "check_code", watched_code)
    picture = HeadlessBrowser.picture

    def watched_picture(self: HeadlessBrowser, *, without: tuple[str, ...]) -> bytes:
        taken = picture(self, without=without)
        places["picture"] = str(
            self._script(
                "return document.documentElement.outerHTML"
                " + [...document.querySelectorAll('input')].map((field) => field.value)"
            )
        )
        return taken

    monkeypatch.setattr(HeadlessBrowser, "picture", watched_picture)

    # A log-in that fails with everything typed, by command, task and call; then one that works.
    wrong_pin = "975310"
    settings.UPSTOX_PIN = wrong_pin
    with pytest.raises(CommandError) as raised:
        call_command("refresh_token", "upstox", "--json")
    places["command"] = str(raised.value)
    ensure_token_task("upstox")
    ensure_token_task.apply_async(("upstox",))
    held = ProviderToken("upstox")
    caller = HttpCaller("upstox", upstox.url, timeout=5, authorise=held.authorise)
    with pytest.raises(UnauthorisedError) as refused:
        caller.request_json("GET", "/v2/user/profile")
    with pytest.raises(PinRefused) as again:
        get_token("upstox")
    places["errors"] = f"{refused.value!r} {again.value!r}"
    settings.UPSTOX_PIN = CREDENTIALS["UPSTOX_PIN"]
    token = get_token("upstox")
    logging.getLogger("some_package").debug("sends %s", {"Authorization": f"Bearer {token}"})
    logging.getLogger("some_package").error("typed %s for %s", typed[0], settings.UPSTOX_MOBILE)
    caller.request_json("GET", "/v2/user/profile")
    upstox.access.end_all_tokens()
    with pytest.raises(UnauthorisedError) as refused:
        caller.request_json("GET", "/v2/user/profile")
    places["refusal"] = repr(refused.value)
    caller.close()

    user = User.objects.create_superuser("admin", password="x")
    client.force_login(user)
    for page in (
        "/admin/auth_tokens/brokertoken/",
        f"/admin/auth_tokens/brokertoken/{BrokerToken.objects.get(provider='upstox').pk}/change/",
        "/admin/auth_tokens/tokenevent/",
        "/health",
        "/metrics",
        "/api/schema",
    ):
        places[page] = client.get(page).content.decode()
    places["states"] = repr(token_states())
    places["rows"], places["queue"] = rows(), queue()
    places["output"], places["log"] = "".join(capfd.readouterr()), log.getvalue()
    places["files"] = "\n".join(
        path.read_bytes().decode("latin-1")
        for path in (Path(os.environ["VAR_DIR"]) / "log_ins").glob("*")
    )

    assert "token.renewal_failed" in places["log"]
    assert "sends " in places["log"]
    assert "chromedriver" in places["processes"]
    assert 'id="pinCode"' in places["picture"]
    secrets = {name: str(CREDENTIALS[name]) for name in SECRETS}
    secrets |= {"wrong PIN": wrong_pin, "token": token, "first code": typed[0]}
    found = [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, text in places.items()
        if secret in text
    ]
    assert found == []
