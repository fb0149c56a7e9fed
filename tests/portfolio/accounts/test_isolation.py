"""Nothing of anybody else's, on any address: the routes come from the URLconf itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from config.core.caching.resources import declared_resources
from tests.factories import UserFactory
from tests.portfolio.reading import synced_account

pytestmark = pytest.mark.django_db


def private_routes() -> list[str]:
    """Return every path below /api and the pages without arguments, from the URLconf."""
    found: list[str] = []

    def walk(patterns: Any, prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif isinstance(pattern, URLPattern) and "<" not in path:
                found.append("/" + path)

    walk(get_resolver().url_patterns, "")
    open_to_all = ("/health", "/metrics", "/accounts/log", "/admin")
    return [path for path in found if not path.startswith(open_to_all) and "^" not in path]


#: What is the same for everybody, and open to all unless MARKET_DATA_PUBLIC says otherwise.
OF_THE_MARKET = {
    "/market", "/market/data", "/api/market/chain", "/api/market/instruments",
    "/gex", "/api/gex", "/api/gex/history", "/api/market/gex",
}  # fmt: skip


@pytest.mark.parametrize("path", private_routes())
def test_no_route_answers_a_stranger(client: Client, settings: Settings, path: str) -> None:
    settings.MARKET_DATA_PUBLIC = False
    response = client.get(path)
    assert response.status_code in (301, 302, 401, 403, 405), path


def test_public_market_opens_its_own_routes_and_no_other(client: Client) -> None:
    refused = (301, 302, 401, 403, 405)
    opened = {path for path in private_routes() if client.get(path).status_code not in refused}
    assert opened == OF_THE_MARKET


#: Everything about accounts: the portfolio's own addresses and the declared private resources.
OF_ACCOUNTS = [
    *(path for path in private_routes() if path.startswith("/api/portfolio/")),
    "/api/dashboard",
    *(
        each.path
        for each in declared_resources()
        if not each.is_public and "account_id" in each.parameters
    ),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", OF_ACCOUNTS)
def test_no_route_shows_another_users_account(signed_in: Client, path: str) -> None:
    foreign = synced_account(UserFactory(), account_id="DU7777777", label="SECRETLABEL")
    response = signed_in.get(path)
    assert foreign.account_id.encode() not in response.content
    assert b"SECRETLABEL" not in response.content
    for account_id in (foreign.account_id,):
        named = signed_in.get(path, {"account_id": account_id})
        assert named.status_code in (400, 404, 405), path
