"""Portfolios by page and API: only of accounts one may see, and never another's figures."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from auth_tokens.models import User
from portfolio.accounts.portfolios import MOST_PORTFOLIOS
from portfolio.models import Account, AccountAccess, Portfolio
from portfolio.updates.calculation import recalculate
from portfolio.updates.statistics import get_queue_stats
from tests.factories import AccountFactory, PositionFactory, UserFactory

pytestmark = pytest.mark.django_db
ALL = "/api/portfolio/portfolios"


@pytest.fixture
def trader() -> User:
    found: User = UserFactory.create(username="trader")
    return found


@pytest.fixture
def account(trader: User) -> Account:
    found: Account = AccountFactory.create(account_id="DU1", owner=trader)
    PositionFactory.create(account=found, market_value=1_000, daily_change=50)
    return found


@pytest.fixture
def signed_in(client: Client, trader: User) -> Client:
    client.force_login(trader)
    return client


def sent(client: Client, url: str, method: str = "post", **values: Any) -> Any:
    return getattr(client, method)(url, values, content_type="application/json")


def test_default_portfolio_is_listed_first_with_its_figures(
    account: Account, signed_in: Client
) -> None:
    sent(signed_in, ALL, name="A first name", account_ids=["DU1"])
    recalculate([Portfolio.objects.get(holds_all=True).pk])

    first, second = signed_in.get(ALL).json()["portfolios"]

    assert (first["name"], first["holds_all"]) == ("All accounts", True)
    assert (first["value"], first["daily_change"]) == (1_000, 50)
    assert first["daily_change_percent"] == pytest.approx(5.2632)
    assert (second["name"], second["account_ids"], second["value"]) == (
        "A first name",
        ["DU1"],
        None,
    )


def test_new_portfolio_is_saved_and_queued(
    account: Account, signed_in: Client, django_capture_on_commit_callbacks: Any
) -> None:
    queued = get_queue_stats()["queued"]
    with django_capture_on_commit_callbacks(execute=True):
        answer = sent(signed_in, ALL, name=" Income ", account_ids=["DU1"])
    assert answer.status_code == 201
    assert answer.json()["name"] == "Income"
    assert get_queue_stats()["queued"] == queued + 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " ", "account_ids": []}, "name"),
        ({"name": "x" * 65, "account_ids": []}, "name"),
        ({"name": "Income\x00", "account_ids": []}, "name"),
        ({"name": "Income", "account_ids": ["DU2"]}, "account_ids"),
        ({"name": "Income"}, "account_ids"),
        ({"name": "Income", "account_ids": [], "value": 1}, "value"),
    ],
)
def test_what_cannot_be_saved_is_named(
    account: Account, signed_in: Client, values: dict[str, Any], field: str
) -> None:
    AccountFactory.create(account_id="DU2", owner=UserFactory.create())
    answer = sent(signed_in, ALL, **values)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["fields"]
    assert Portfolio.objects.filter(owner=account.owner).count() == 1


def test_name_is_used_once(account: Account, signed_in: Client) -> None:
    assert sent(signed_in, ALL, name="Income", account_ids=[]).status_code == 201
    assert sent(signed_in, ALL, name="Income", account_ids=[]).status_code == 409
    assert sent(signed_in, ALL, name="All accounts", account_ids=[]).status_code == 409


def test_portfolios_of_one_user_are_bounded(
    account: Account, signed_in: Client, trader: User
) -> None:
    Portfolio.objects.bulk_create(
        Portfolio(owner=trader, name=str(number)) for number in range(MOST_PORTFOLIOS - 1)
    )
    assert sent(signed_in, ALL, name="One more", account_ids=[]).status_code == 409


def test_portfolio_is_changed_and_deleted(account: Account, signed_in: Client) -> None:
    url = f"{ALL}/{sent(signed_in, ALL, name='Income', account_ids=[]).json()['id']}"
    assert sent(signed_in, url, "put", name="Yield", account_ids=["DU1"]).json()["name"] == "Yield"
    assert signed_in.get(url).json()["account_ids"] == ["DU1"]
    assert signed_in.delete(url).status_code == 204
    assert signed_in.get(url).status_code == 404


def test_portfolio_of_all_accounts_stays(account: Account, signed_in: Client, trader: User) -> None:
    url = f"{ALL}/{Portfolio.objects.get(owner=trader).pk}"
    assert signed_in.delete(url).status_code == 409
    assert sent(signed_in, url, "put", name="Mine", account_ids=[]).status_code == 409


def test_another_users_portfolio_is_unknown(account: Account, client: Client) -> None:
    client.force_login(UserFactory.create(username="stranger"))
    theirs = f"{ALL}/{Portfolio.objects.get(owner=account.owner).pk}"
    assert client.get(theirs).status_code == 404
    assert sent(client, theirs, "put", name="Mine", account_ids=[]).status_code == 404
    assert client.delete(theirs).status_code == 404
    assert sent(client, f"{theirs}/refresh").status_code == 404
    assert client.get(ALL).json() == {"portfolios": []}


def test_figures_of_an_account_that_is_no_longer_shared_are_not_told(
    account: Account, client: Client
) -> None:
    viewer = UserFactory.create(username="viewer")
    access = AccountAccess.objects.create(account=account, user=viewer)
    recalculate([Portfolio.objects.get(owner=viewer).pk])
    client.force_login(viewer)
    assert client.get(ALL).json()["portfolios"][0]["value"] == 1_000
    access.delete()
    client.force_login(viewer)
    (row,) = client.get(ALL).json()["portfolios"]
    assert (row["value"], row["legs"], row["account_ids"]) == (None, None, [])


def test_refresh_by_hand_is_queued_as_such(
    account: Account, signed_in: Client, trader: User
) -> None:
    pk = Portfolio.objects.get(owner=trader).pk
    answer = sent(signed_in, f"{ALL}/{pk}/refresh")
    assert (answer.status_code, answer.json()) == (202, {"id": str(pk), "queued": True})
    assert signed_in.get("/api/portfolio/queue").json()["pending_updates"] == 1


def test_page_makes_changes_and_deletes_a_portfolio(
    account: Account, signed_in: Client, trader: User
) -> None:
    made = {"name": "Income", "account_ids": ["DU1"]}
    assert signed_in.post("/portfolios", made).status_code == 302
    saved = Portfolio.objects.get(name="Income")
    page = signed_in.get(f"/portfolios?edit={saved.pk}")
    assert page.context["typed"]["account_ids"] == ["DU1"]
    signed_in.post(f"/portfolios/{saved.pk}", {"name": "Yield"})
    saved.refresh_from_db()
    assert (saved.name, saved.accounts.count()) == ("Yield", 0)
    assert signed_in.post(f"/portfolios/{saved.pk}/refresh").status_code == 302
    signed_in.post(f"/portfolios/{saved.pk}/deletion")
    assert not Portfolio.objects.filter(name="Yield").exists()
    gone = signed_in.get(f"/portfolios?edit={saved.pk}").content.decode()
    assert "Not used from the address: edit: No such portfolio." in gone


def test_page_keeps_what_was_typed_when_it_is_refused(account: Account, signed_in: Client) -> None:
    page = signed_in.post("/portfolios", {"name": "All accounts", "account_ids": ["DU1"]})
    assert page.context["problem"] == "You have a portfolio named 'All accounts' already."
    assert page.context["typed"] == {"name": "All accounts", "account_ids": ["DU1"]}


def test_frequency_of_open_pages_is_set_by_page_and_api(signed_in: Client, trader: User) -> None:
    live = "/api/portfolio/live"
    assert signed_in.get(live).json() == {"every_seconds": 0}
    assert sent(signed_in, live, "put", every_seconds=5).json() == {"every_seconds": 5}
    refused = sent(signed_in, live, "put", every_seconds=7)
    assert (refused.status_code, refused.json()["error"]["fields"]) == (
        400, {"every_seconds": "one of 0, 5, 30"},
    )  # fmt: skip
    signed_in.post("/portfolios/live", {"every_seconds": "30"})
    signed_in.post("/portfolios/live", {"every_seconds": "²"})
    trader.refresh_from_db()
    assert trader.live_every == 30
    assert b'<option value="30" selected>' in signed_in.get("/portfolios").content


def test_list_takes_as_many_queries_for_any_number(
    account: Account, signed_in: Client, trader: User, django_assert_num_queries: Any
) -> None:
    signed_in.get(ALL)
    with django_assert_num_queries(6):
        signed_in.get(ALL)
    for number in range(5):
        Portfolio.objects.create(owner=trader, name=str(number)).accounts.add(account)
    with django_assert_num_queries(6):
        signed_in.get(ALL)
