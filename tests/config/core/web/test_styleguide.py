"""The style guide is for staff."""

from __future__ import annotations

import pytest
from django.test import Client

from auth_tokens.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ADDRESS = "/system/styleguide"


def client_of(*, staff: bool) -> Client:
    user = User.objects.create_user("reader", password="a-long-enough-word", is_staff=staff)
    client = Client()
    client.force_login(user)
    return client


def test_staff_see_every_part() -> None:
    answer = client_of(staff=True).get(ADDRESS)
    assert answer.status_code == 200
    for text in ("--text-faint", "no value", "badge-simulated", "notice-warning", "<progress"):
        assert text in answer.content.decode()


def test_others_are_refused() -> None:
    assert client_of(staff=False).get(ADDRESS).status_code == 403


def test_strangers_are_sent_to_the_log_in() -> None:
    answer = Client().get(ADDRESS)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login")
