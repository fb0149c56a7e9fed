"""Whoever reads the database or the cache gets no session that works."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(UserFactory.create())
    assert client.get("/accounts/time-zone").status_code == 200
    return client


def test_stored_keys_are_not_those_of_cookies(client: Client) -> None:
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    [row] = Session.objects.all()
    assert row.session_key != cookie
    with redis.Redis.from_url(settings.CACHE_URL) as cache:
        kept = {name: cache.dump(name) or b"" for name in cache.scan_iter("*")}
    assert any(row.session_key.encode() in name for name in kept)
    assert not any(cookie.encode() in name + value for name, value in kept.items())


def test_stored_key_opens_nothing(client: Client) -> None:
    [row] = Session.objects.all()
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = row.session_key
    assert thief.get("/accounts/time-zone").status_code == 302


def test_log_out_removes_the_row_and_its_copy(client: Client) -> None:
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/accounts/logout")
    assert not Session.objects.exists()
    late = Client()
    late.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert late.get("/accounts/time-zone").status_code == 302
