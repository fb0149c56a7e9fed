"""The portfolio API: the documented body, clear refusals, what a read costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db.utils import OperationalError
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core.clock import now
from portfolio.models import Account, AccountAccess, FxRate, Position, Quote, SyncRun
from tests.factories import PositionFactory, UserFactory
from tests.portfolio.reading import FAST, read, synced_account

pytestmark = pytest.mark.django_db

POSITION_FIELDS = {
    "id", "account_id", "symbol", "instrument_type", "underlying", "expiry", "strike", "right",
    "dte", "quantity", "multiplier", "avg_price", "price", "market_value", "unrealized_pnl",
    "daily_change", "daily_change_percent", "delta", "gamma", "theta", "vega", "iv",
    "greeks_source", "greeks_as_of",
}  # fmt: skip
TOTAL_FIELDS = {
    "delta", "dollar_delta", "beta_weighted_delta", "gamma", "theta", "vega", "theta_to_net_liq",
    "margin_use", "by_underlying", "by_expiry",
}  # fmt: skip
ACCOUNT_FIELDS = {
    "account_id", "broker", "net_liquidation", "buying_power", "excess_liquidity", "maint_margin",
    "unrealized_pnl", "realized_pnl", "last_synced",
}  # fmt: skip


def test_body_has_every_documented_field(trader: User, signed_in: Client) -> None:
    synced_account(trader)
    body = read(signed_in, f"{FAST}?refresh_greeks_async=false")
    assert {"as_of", "stale", "refreshing", "simulated", "accounts", "positions", "totals",
            "scenarios", "schema"} <= body.keys()  # fmt: skip
    assert body["accounts"][0].keys() >= ACCOUNT_FIELDS
    assert body["positions"][0].keys() >= POSITION_FIELDS
    assert body["totals"].keys() >= TOTAL_FIELDS
    assert {"worst", "grid_url"} == body["scenarios"].keys()
    assert body["stale"] is False
    assert body["totals"]["delta"] == pytest.approx(60.0)


def test_decimals_are_json_numbers_ids_strings_and_missing_is_null(
    trader: User, signed_in: Client
) -> None:
    account = synced_account(trader)
    PositionFactory(account=account, price=None, market_value=None, delta_raw=None)
    rows = read(signed_in, f"{FAST}?refresh_greeks_async=false")["positions"]
    assert {row["quantity"] for row in rows} == {-2}
    assert all(isinstance(row["id"], str) for row in rows)
    missing = next(row for row in rows if row["price"] is None)
    assert missing["market_value"] is None
    assert missing["delta"] is None


def test_option_shows_its_open_interest_and_a_stock_none(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    option = account.positions.get()
    Quote.objects.create(
        instrument=option.instrument,
        symbol=option.symbol,
        open_interest=927,
        source="ibkr",
        as_of=now(),
    )
    PositionFactory.create(account=account, instrument_type="stock", right="")
    rows = read(signed_in, f"{FAST}?refresh_greeks_async=false")["positions"]
    assert {row["instrument_type"]: row["open_interest"] for row in rows} == {
        "option": 927,
        "stock": None,
    }


def test_other_users_account_is_404_like_an_unknown_one(signed_in: Client) -> None:
    foreign = synced_account(UserFactory())
    for account_id in (foreign.account_id, "DU9999999"):
        response = signed_in.get(f"{FAST}?account_id={account_id}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "not_found"
        assert "request_id" in response.json()["error"]


def test_disabled_account_is_not_served(trader: User, signed_in: Client) -> None:
    account = synced_account(trader, enabled=False)
    assert signed_in.get(f"{FAST}?account_id={account.account_id}").status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("use_cached_greeks=perhaps", "use_cached_greeks"),
        ("account_id=%00", "account_id"),
        ("account_id=" + "A" * 100, "account_id"),
    ],
)
def test_bad_parameter_is_400_naming_the_field(signed_in: Client, query: str, field: str) -> None:
    response = signed_in.get(f"{FAST}?{query}")
    assert response.status_code == 400
    assert field in response.json()["error"]["fields"]


def test_unchanged_book_answers_304(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    first = signed_in.get(f"{FAST}?refresh_greeks_async=false")
    again = signed_in.get(
        f"{FAST}?refresh_greeks_async=false", headers={"If-None-Match": first["ETag"]}
    )
    assert again.status_code == 304
    assert not again.content
    Account.objects.filter(pk=account.pk).update(book_version=7)
    changed = signed_in.get(
        f"{FAST}?refresh_greeks_async=false", headers={"If-None-Match": first["ETag"]}
    )
    assert changed.status_code == 200


def test_private_answers_are_not_for_shared_caches(trader: User, signed_in: Client) -> None:
    synced_account(trader)
    response = signed_in.get(f"{FAST}?refresh_greeks_async=false")
    assert response["Cache-Control"] == "private, no-cache"
    assert {"Cookie", "Authorization"} <= {name.strip() for name in response["Vary"].split(",")}


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_every_form_of_the_version_held_answers_304(
    trader: User, signed_in: Client, form: str
) -> None:
    synced_account(trader)
    url = f"{FAST}?refresh_greeks_async=false"
    etag = signed_in.get(url)["ETag"]
    assert signed_in.get(url, headers={"If-None-Match": form.format(etag)}).status_code == 304


def test_page_answers_head_and_is_not_for_shared_caches(trader: User, signed_in: Client) -> None:
    synced_account(trader)
    response = signed_in.head("/")
    assert response.status_code == 200
    assert set(response["Cache-Control"].split(", ")) == {"private", "no-cache"}


def test_new_version_is_read_anew(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    url = f"{FAST}?refresh_greeks_async=false"
    assert read(signed_in, url)["positions"][0]["price"] == 4
    account.positions.update(price=Decimal("4.25"))
    Account.objects.filter(pk=account.pk).update(book_version=1)
    assert read(signed_in, url)["positions"][0]["price"] == 4.25


def test_warm_read_of_the_risk_monitor_has_a_query_budget(
    trader: User, signed_in: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        synced_account(trader)
    url = f"{FAST}?refresh_greeks_async=false"
    read(signed_in, url)
    # Session, user, accounts with their status; the book comes from the process's copy.
    with django_assert_max_num_queries(3):
        read(signed_in, url)


def test_cold_read_does_not_ask_once_a_position(
    trader: User, signed_in: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    account = synced_account(trader)
    for _ in range(30):
        PositionFactory(account=account)
    with django_assert_max_num_queries(8):
        body = read(signed_in, f"{FAST}?refresh_greeks_async=false")
    assert len(body["positions"]) == 31


def test_stale_book_is_labelled_and_asks_for_a_sync(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    Account.objects.filter(pk=account.pk).update(last_synced_at=now() - timedelta(minutes=5))
    body = read(signed_in, f"{FAST}?refresh_greeks_async=false")
    assert body["stale"] is True
    assert SyncRun.objects.filter(account=account, trigger=SyncRun.Trigger.STALE).count() == 1


def test_stale_book_of_a_failing_broker_is_asked_for_no_oftener_than_by_the_clock(
    trader: User, signed_in: Client
) -> None:
    account = synced_account(trader)
    stored = Account.objects.filter(pk=account.pk)
    stored.update(last_synced_at=now() - timedelta(minutes=5), last_attempt_at=now())
    assert read(signed_in, f"{FAST}?refresh_greeks_async=false")["stale"] is True
    assert not SyncRun.objects.exists()
    stored.update(last_attempt_at=now() - timedelta(seconds=account.sync_seconds))
    read(signed_in, f"{FAST}?refresh_greeks_async=false")
    assert SyncRun.objects.get().trigger == SyncRun.Trigger.STALE


@pytest.mark.parametrize("path", [FAST, "/"])
def test_stale_book_is_answered_while_the_database_is_too_busy_to_write(
    trader: User, signed_in: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = synced_account(trader)
    Account.objects.filter(pk=account.pk).update(last_synced_at=now() - timedelta(minutes=5))

    def busy(**_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("portfolio.risk_monitor.reading.request_sync", busy)
    assert signed_in.get(path).status_code == 200


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [("", '{"acount_id": "DU1"}', "acount_id"), ("?account_id=DU1", "{}", "account_id")],
)
def test_misspelt_or_misplaced_account_of_a_sync_is_refused_and_syncs_nothing(
    trader: User, signed_in: Client, query: str, body: str, field: str
) -> None:
    synced_account(trader)
    response = signed_in.post(f"/api/portfolio/sync{query}", body, content_type="application/json")
    assert response.status_code == 400
    assert field in response.json()["error"]["fields"]
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"), [("[" * 20_000, 400), ('"' + "x" * 3_000_000 + '"', 413)]
)
def test_body_that_cannot_be_read_is_the_callers_error(
    trader: User, signed_in: Client, body: str, status: int
) -> None:
    synced_account(trader)
    response = signed_in.post("/api/portfolio/sync", body, content_type="application/json")
    assert response.status_code == status
    assert response.json()["error"]["request_id"]


def test_post_sync_answers_202_with_a_run_to_follow(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    response = signed_in.post(
        "/api/portfolio/sync", {"account_id": account.account_id}, content_type="application/json"
    )
    assert response.status_code == 202
    status = signed_in.get(response.json()["runs"][0]["status_url"]).json()
    assert status["id"] == response.json()["run_id"]
    assert status["account_id"] == account.account_id
    assert status["outcome"] == "running"


def test_viewer_reads_a_shared_account_but_may_not_sync_it(trader: User, signed_in: Client) -> None:
    shared = synced_account(UserFactory())
    AccountAccess.objects.create(user=trader, account=shared, role=AccountAccess.Role.VIEWER)
    assert read(signed_in, f"{FAST}?account_id={shared.account_id}&refresh_greeks_async=false")
    response = signed_in.post(
        "/api/portfolio/sync", {"account_id": shared.account_id}, content_type="application/json"
    )
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("zone", "days"), [("America/New_York", 1), ("Asia/Kolkata", 0), ("UTC", 0)]
)
def test_days_to_expiry_count_from_the_day_where_the_account_is(
    trader: User, signed_in: Client, zone: str, days: int
) -> None:
    account = synced_account(trader, time_zone=zone)
    Position.objects.filter(account=account).update(expiry=date(2026, 11, 20))
    with time_machine.travel(datetime(2026, 11, 20, 1, 0, tzinfo=UTC), tick=False):
        signed_in.force_login(trader)
        body = read(signed_in, f"{FAST}?refresh_greeks_async=false")
    assert [row["dte"] for row in body["positions"]] == [days]


def test_rate_stored_the_other_way_round_is_turned_over(trader: User, signed_in: Client) -> None:
    account = synced_account(trader)
    PositionFactory.create(account=account, currency="EUR", theta_raw=-0.5, quantity=Decimal(2))
    FxRate.objects.create(base="EUR", quote="USD", rate=Decimal("0.8"), as_of=now(), source="ibkr")
    totals = read(signed_in, f"{FAST}?refresh_greeks_async=false")["totals"]
    assert totals["unconverted"] == []
    assert totals["theta"] == pytest.approx(20.0 - 0.5 * 2 * 100 / 0.8)
