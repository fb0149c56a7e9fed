"""``POST /api/cache/clear`` and ``manage.py clear_cache``: targeted, for operators."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from config.core.caching.reading import manager
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def clear(client: Client, **body: Any) -> Any:
    return client.post("/api/cache/clear", body, content_type="application/json")


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="operator", is_staff=True))
    return client


def test_staff_clear_what_matches(staff: Client) -> None:
    for key in ("gex:SPY:2026-05-04", "gex:QQQ:2026-05-04", "analytics:pnl:U1:x"):
        manager.set(key, 1, 300)
    body = clear(staff, pattern="gex:*").json()
    assert body["affected_keys"] == ["gex:QQQ:2026-05-04", "gex:SPY:2026-05-04"]
    assert (body["removed"], body["triggered_by"]) == (2, "operator")
    assert body["event_type"] == "manual_clear"
    assert manager.exists("analytics:pnl:U1:x")


def test_others_may_not(client: Client) -> None:
    assert clear(client, pattern="*").status_code in (401, 403)
    client.force_login(UserFactory.create())
    assert clear(client, pattern="*").status_code == 403


@pytest.mark.parametrize("body", [{}, {"pattern": ""}, {"pattern": 1}, {"pattern": "a\x00"}])
def test_wrong_pattern_is_named(staff: Client, body: dict[str, Any]) -> None:
    refused = clear(staff, **body)
    assert refused.status_code == 400
    assert list(refused.json()["error"]["fields"]) == ["pattern"]


def test_command_tells_what_it_removed() -> None:
    manager.set("gex:SPY:2026-05-04", 1, 300)
    out = StringIO()
    call_command("clear_cache", "gex:*", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["removed"], told["affected_keys"]) == (1, ["gex:SPY:2026-05-04"])
    out = StringIO()
    call_command("clear_cache", "gex:*", stdout=out)
    assert out.getvalue() == "Removed 0 answers.\n"
    with pytest.raises(CommandError, match="Expected a pattern"):
        call_command("clear_cache", "")
