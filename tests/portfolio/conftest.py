"""A trader, signed in, and no prepared book of another test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from auth_tokens.models import User
from portfolio.selectors.books import books
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _no_books_of_other_tests() -> Iterator[None]:
    books.clear()
    yield
    books.clear()


@pytest.fixture
def trader() -> User:
    return UserFactory()


@pytest.fixture
def signed_in(trader: User) -> Client:
    client = Client()
    client.force_login(trader)
    return client
