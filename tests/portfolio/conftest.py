"""A trader, signed in, and no prepared book of another test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from auth_tokens.models import User
from config.core.front_door.bodies import prepared_bodies
from portfolio.book.reading import books
from portfolio.risk_monitor.body import worst_cells
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _no_books_of_other_tests() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    books.clear()
    worst_cells.clear()
    prepared_bodies.clear()


@pytest.fixture
def trader() -> User:
    return UserFactory()


@pytest.fixture
def signed_in(trader: User) -> Client:
    client = Client()
    client.force_login(trader)
    return client
