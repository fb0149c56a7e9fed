"""A header that repeats parts costs no more than naming each once."""

from __future__ import annotations

import pytest
from django.test import Client

from auth_tokens.models import User
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]

PAGES = {
    "/risk": ("report", "saved"),
    "/market/alerts": ("events", "rules", "channels"),
    "/system": ("servers", "checks"),
}


@pytest.fixture
def client() -> Client:
    user: User = UserFactory.create(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_repeated_and_unknown_parts_are_rendered_once_and_not_at_all(
    client: Client, page: str
) -> None:
    names = PAGES[page]
    once = client.get(page, headers={"X-Parts": ",".join(names)})
    often = client.get(page, headers={"X-Parts": ",".join(["../nothing", *names] * 1000)})
    assert often.status_code == 200
    assert b"<html" not in often.content
    assert often.content.count(b"<section") == once.content.count(b"<section") > 0
    assert len(often.content) < 1.1 * len(once.content)


@pytest.mark.parametrize("page", PAGES)
def test_unknown_parts_alone_get_the_page(client: Client, page: str) -> None:
    assert b"<html" in client.get(page, headers={"X-Parts": "nothing," * 1000}).content
