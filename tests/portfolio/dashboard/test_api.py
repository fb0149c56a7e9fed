"""The dashboard's API: the documented body, clear refusals, nothing of anybody else's."""

from __future__ import annotations

import pytest
from django.test import Client

from auth_tokens.models import User
from tests.factories import PositionFactory, UserFactory
from tests.portfolio.reading import read, synced_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

DASHBOARD = "/api/dashboard"
POSITION_FIELDS = {
    "id", "symbol", "quantity", "entry_price", "current_price", "pnl", "currency", "status",
}  # fmt: skip
CACHE_FIELDS = {"hit", "stale", "timestamp", "ttl_remaining", "age_seconds"}


def test_positions_are_mapped_from_the_book(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    row = account.positions.get()
    assert read(signed_in, DASHBOARD)["positions"] == [
        {
            "id": str(row.pk),
            "symbol": row.symbol,
            "quantity": -2,
            "entry_price": 4.5,
            "current_price": 4,
            "currency": "USD",
            "pnl": 100,
            "status": "open",
        }
    ]


def test_missing_amounts_are_null_and_a_position_of_none_is_closed(
    trader: User, signed_in: Client
) -> None:
    account = synced_account(trader)
    PositionFactory(
        account=account, quantity=0, price=None, avg_price=None, unrealized_pnl=None, currency="EUR"
    )
    rows = read(signed_in, "/api/positions")
    closed = next(row for row in rows if row["status"] == "closed")
    assert closed.keys() == POSITION_FIELDS
    assert [closed[name] for name in ("entry_price", "current_price", "pnl")] == [None] * 3
    assert closed["currency"] == "EUR"


def test_body_says_what_answered_and_what_failed(trader: User, signed_in: Client) -> None:
    synced_account(trader)
    body = read(signed_in, DASHBOARD)
    metadata = body["metadata"]
    assert metadata.keys() == {
        "response_time_ms", "cache_hits", "cache_misses", "timestamp", "cache",
    }  # fmt: skip
    assert metadata["cache"]["positions"].keys() == CACHE_FIELDS
    # Nobody follows a symbol here.
    assert body["gex"] is None
    assert body["errors"].keys() == {"gex"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("symbol=SPY", "symbol"),
        ("start=yesterday", "start"),
        ("end=2026-02-30", "end"),
        ("start=2026-03-01&end=2026-02-01", "start"),
        ("start=1999-01-01&end=2026-02-01", "start"),
        ("account_id=", "account_id"),
    ],
)
def test_unknown_and_impossible_parameters_are_refused(
    signed_in: Client, query: str, field: str
) -> None:
    response = signed_in.get(f"{DASHBOARD}?{query}")
    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == [field]


def test_account_of_somebody_else_is_unknown(trader: User, signed_in: Client) -> None:
    own = synced_account(trader)
    foreign = synced_account(UserFactory())
    assert len(read(signed_in, DASHBOARD)["positions"]) == 1
    assert len(read(signed_in, f"{DASHBOARD}?account_id={own.pk}")["positions"]) == 1
    for path in (DASHBOARD, "/api/positions"):
        assert signed_in.get(f"{path}?account_id={foreign.pk}").status_code == 404


def test_individual_endpoint_has_the_facts_in_headers(trader: User, signed_in: Client) -> None:
    synced_account(trader)
    response = signed_in.get("/api/positions")
    assert response.json() == read(signed_in, DASHBOARD)["positions"]
    assert response["X-Cache"] == "miss"
    assert response["Age"] == "0"
    assert response["Cache-Control"] == "private, no-cache"


def test_positions_never_come_from_a_cache(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    for price in (5, 6):
        # Without a new version of the book: nothing kept by version may answer.
        account.positions.update(price=price)
        assert read(signed_in, "/api/positions")[0]["current_price"] == price
