"""What a warm dashboard does not do again: find its owner's accounts, ask Redis, change threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.limited_calls import Work
from portfolio.accounts import scopes
from portfolio.dashboard import reading
from portfolio.dashboard.reading import Asked, read_dashboard
from portfolio.dashboard.sections import dashboard_resources, section_named
from tests.portfolio.dashboard.bodies import Sources, cached_sections, plain_bodies, scripted
from tests.portfolio.reading import synced_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture(autouse=True)
def _followed_symbol(settings: Settings) -> None:
    settings.GEX_SYMBOLS = ["SPY"]


@pytest.fixture
def warm(trader: User) -> Iterator[Sources]:
    """Every cached section is in the cache."""
    synced_account(trader)
    with scripted(plain_bodies()) as sources:
        for name in cached_sections():
            sources.keep(section_named(name), trader)
        yield sources


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect who the visible accounts were looked up for."""
    found: list[Any] = []
    rows = scopes._rows

    def counted(user: Any) -> Any:
        found.append(user)
        return rows(user=user)

    monkeypatch.setattr(scopes, "_rows", counted)
    return found


def test_owners_accounts_are_found_once_a_request(
    trader: User, warm: Sources, searches: list[Any]
) -> None:
    dashboard = read_dashboard(Asked(trader))
    assert dashboard.errors == {}
    assert {name for name, each in dashboard.sections.items() if each.cache.hit} == set(
        cached_sections()
    )
    assert searches == [trader.pk]


@pytest.mark.parametrize(
    "path",
    [
        *("/api/analytics/pnl", "/api/analytics/returns", "/api/performance/sources"),
        *("/api/positions", "/api/exit-signals"),
    ],
)
def test_individual_endpoints_find_them_once_as_well(
    trader: User, signed_in: Client, searches: list[Any], path: str
) -> None:
    account = synced_account(trader)
    query = {} if "performance" in path else {"account_id": account.pk}
    for _ in range(2):
        searches.clear()
        assert signed_in.get(path, query).status_code == 200
        assert searches == [trader.pk]


def test_cached_sections_take_one_round_trip_and_no_thread(
    trader: User, warm: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    threads: list[set[str]] = []
    look_at, limited = warm.manager.look_at, reading._limited

    def counted(keys: Any) -> Any:
        looks.append(len(keys))
        return look_at(keys)

    def noted(works: Mapping[str, Work]) -> dict[str, Any]:
        threads.append(set(works))
        return limited(works)

    monkeypatch.setattr(warm.manager, "look_at", counted)
    monkeypatch.setattr(warm.manager, "look", None)
    monkeypatch.setattr(reading, "_limited", noted)
    read_dashboard(Asked(trader))
    assert looks == [len(cached_sections())]
    assert threads[0] == {str(each.section) for each in dashboard_resources() if not each.is_cached}
