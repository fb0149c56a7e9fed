"""The admin: a fixed cost a list, each within its owner's reach, books read-only, no secret."""

from __future__ import annotations

from datetime import date

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken, AuditEvent, BrokerToken, TokenEvent, User
from greeks.models import (
    AlertChannel,
    AlertEvent,
    AlertRule,
    ContractGreeks,
    Dividend,
    GreekSnapshot,
    InstrumentAlias,
    PolledInstrument,
)
from portfolio.betas.reading import known_betas
from portfolio.models import (
    Account,
    AccountAccess,
    AccountStatus,
    Beta,
    Order,
    Portfolio,
    Position,
    QuarantinedRow,
    Scenario,
    SyncRun,
)
from tests.factories import (
    AS_OF,
    AccountFactory,
    AccountStatusFactory,
    PositionFactory,
    UserFactory,
)
from tests.portfolio.admin.pages import change_url, list_url, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.database]
OURS = [
    model
    for model in admin.site._registry
    if model._meta.app_label in ("auth_tokens", "greeks", "portfolio")
]
BOOK = [AccountStatus, Order, Position, QuarantinedRow, SyncRun]
ALERTS = [AlertChannel, AlertEvent, AlertRule]
MARKET = [BrokerToken, TokenEvent, GreekSnapshot]
READ_ONLY = [ApiToken, AuditEvent, ContractGreeks, *BOOK, *ALERTS, *MARKET]


# Session and user, the permissions of staff, two counts, the page, and up to two a filter.
LIST_BUDGET = 16


def make_book(owner: User, account_id: str) -> Account:
    """Return an account with one row of everything that belongs to it."""
    account = AccountFactory(owner=owner, account_id=account_id)
    AccountStatusFactory(account=account)
    position = PositionFactory(account=account)
    InstrumentAlias.objects.create(
        instrument=position.instrument, provider="ibkr", key=f"conid-{account_id}"
    )
    ContractGreeks.objects.create(
        instrument=position.instrument, source="ibkr", as_of=AS_OF, updated_at=AS_OF
    )
    Order.objects.create(
        account=account, broker_order_id=f"O-{account_id}", status="working", source="ibkr",
        as_of=AS_OF,
    )  # fmt: skip
    SyncRun.objects.create(account=account, trigger="schedule", requested_at=AS_OF)
    QuarantinedRow.objects.create(
        account=account, kind="position", reason="quantity is NaN", payload={"qty": "NaN"},
        fingerprint=account_id, source="ibkr", first_seen_at=AS_OF, last_seen_at=AS_OF,
    )  # fmt: skip
    AccountAccess.objects.create(user=UserFactory(), account=account)
    Portfolio.objects.create(name=f"P-{account_id}", owner=owner).accounts.add(account)
    Scenario.objects.create(
        name=f"S-{account_id}", owner=owner, shifts=[{"underlying": "*", "spot": -10.0, "vol": 5.0}]
    )
    Beta.objects.create(symbol=account_id, benchmark="SPY", value=1.2, as_of=AS_OF)
    Dividend.objects.create(
        underlying=account_id, ex_date=date(2026, 12, 18), amount=1, currency="USD",
        source="set", as_of=AS_OF,
    )  # fmt: skip
    create_api_token(user=UserFactory(), name=f"T-{account_id}")
    make_market(owner, account_id)
    return account


def make_market(owner: User, name: str) -> None:
    """A polled instrument with a minute, an alert on it that was raised, and a provider's token."""
    # What is polled is everybody's to see: its name is nobody's.
    chain = f"chain-{PolledInstrument.objects.count()}"
    instrument = PolledInstrument.objects.create(
        slug=chain, name=chain, instrument_key=chain, underlying=chain
    )
    GreekSnapshot.objects.create(
        instrument_key=chain, expiry=AS_OF.date(), minute=AS_OF, session_date=AS_OF.date(),
        source="upstox", updated_at=AS_OF,
    )  # fmt: skip
    AlertChannel.objects.create(user=owner, name=name, service="ntfy", address_encrypted="-")
    rule = AlertRule.objects.create(
        user=owner, instrument=instrument, metric="vega", side="total", comparison="above",
        threshold=1.0,
    )  # fmt: skip
    AlertEvent.objects.create(rule=rule, user=owner, minute=AS_OF, title=name)
    BrokerToken.objects.create(provider=name)
    TokenEvent.objects.create(at=AS_OF, provider=name, event=TokenEvent.Event.TOKEN_RENEWED)


def test_each_list_costs_the_same_for_few_rows_and_for_many(
    root: User, subtests: pytest.Subtests
) -> None:
    client = signed_in(root)
    counts: dict[type, list[int]] = {model: [] for model in OURS}
    for batch in (range(2), range(2, 12)):
        for n in batch:
            make_book(root, f"A{n:02}")
        for model in OURS:
            client.get(list_url(model))
            with CaptureQueriesContext(connection) as queries:
                response = client.get(list_url(model))
            assert response.status_code == 200
            counts[model].append(len(queries))
    for model, (few, many) in counts.items():
        with subtests.test(model.__name__):
            assert few == many <= LIST_BUDGET


def test_each_list_is_searched_and_its_first_row_opens(
    root: User, subtests: pytest.Subtests
) -> None:
    make_book(root, "A1")
    client = signed_in(root)
    for model in OURS:
        with subtests.test(model.__name__):
            found = client.get(list_url(model) + "?q=A1")
            assert found.status_code == 200
            row = client.get(list_url(model)).context["cl"].result_list[0]
            assert client.get(change_url(row)).status_code == 200


def test_staff_see_their_own_and_superusers_see_all(
    ann: User, root: User, subtests: pytest.Subtests
) -> None:
    make_book(ann, "ANNS")
    make_book(UserFactory(), "BOBS")
    for model in (Account, Portfolio, Scenario, *BOOK, *ALERTS):
        with subtests.test(model.__name__):
            own, every = (signed_in(user).get(list_url(model)) for user in (ann, root))
            assert "BOBS" not in own.text
            assert len(own.context["cl"].result_list) == 1
            assert len(every.context["cl"].result_list) == 2


def test_foreign_row_cannot_be_opened_by_its_address(ann: User, subtests: pytest.Subtests) -> None:
    make_book(UserFactory(), "BOBS")
    client = signed_in(ann)
    for model in (Account, Portfolio, Scenario, *BOOK):
        with subtests.test(model.__name__):
            rows = model._default_manager
            row = rows.get(holds_all=False) if model is Portfolio else rows.get()
            response = client.get(change_url(row))
            assert response.status_code == 302
            assert response.headers["Location"] == "/admin/"


def test_shared_account_is_seen_but_neither_changed_nor_its_access(ann: User) -> None:
    account = make_book(UserFactory(), "BOBS")
    other = AccountAccess.objects.get().user.username
    AccountAccess.objects.create(user=ann, account=account)
    client = signed_in(ann)
    page = client.get(change_url(account))
    assert page.status_code == 200
    assert other not in page.text
    assert client.post(change_url(account), {"label": "Mine now"}).status_code == 403
    account.refresh_from_db()
    assert account.label != "Mine now"


def test_owner_shares_an_account_on_its_page_and_the_trail_names_them(ann: User) -> None:
    account = AccountFactory(owner=ann)
    bob = UserFactory(username="bob")
    response = signed_in(ann).post(
        change_url(account),
        {
            "label": "Main", "base_currency": "USD", "time_zone": "America/New_York",
            "enabled": "on", "sync_seconds": "30", "access-TOTAL_FORMS": "1",
            "access-INITIAL_FORMS": "0", "access-0-user": bob.pk, "access-0-role": "viewer",
        },
    )  # fmt: skip
    assert response.status_code == 302
    assert AccountAccess.objects.get(account=account).user == bob
    event = AuditEvent.objects.get(event="account.shared")
    assert (event.actor, event.subject) == (ann, account.pk)


def test_portfolio_of_staff_offers_only_accounts_within_reach(ann: User) -> None:
    own, foreign = AccountFactory(owner=ann), AccountFactory()
    client = signed_in(ann)
    url = reverse("admin:portfolio_portfolio_add")
    assert foreign.label not in client.get(url).text
    assert client.post(url, {"name": "Theirs", "accounts": [foreign.pk]}).status_code == 200
    assert client.post(url, {"name": "Mine", "accounts": [own.pk]}).status_code == 302
    book = Portfolio.objects.get(holds_all=False)
    assert (book.name, book.owner, list(book.accounts.all())) == ("Mine", ann, [own])


def test_beta_that_is_set_wins_and_the_computed_one_is_left_alone(root: User) -> None:
    computed = Beta.objects.create(
        symbol="AAPL", benchmark="SPY", value=1.1, source="history", observations=252, as_of=AS_OF
    )
    client = signed_in(root)
    url = reverse("admin:portfolio_beta_add")
    assert (
        client.post(url, {"symbol": "aapl", "benchmark": "spy", "value": "1.4"}).status_code == 302
    )
    assert known_betas(["AAPL"], benchmark="SPY")["AAPL"].value == 1.4
    again = client.post(url, {"symbol": "AAPL", "benchmark": "SPY", "value": "1.5"})
    assert again.status_code == 200
    assert "is set already" in again.text
    own = client.post(url, {"symbol": "SPY", "benchmark": "SPY", "value": "1.5"})
    assert (own.status_code, "is 1" in own.text) == (200, True)
    assert client.post(change_url(computed), {"value": "3"}).status_code == 403
    computed.refresh_from_db()
    assert computed.value == 1.1
    Beta.objects.get(source="set").delete()
    assert known_betas(["AAPL"], benchmark="SPY")["AAPL"].value == 1.1


def test_owner_of_an_account_is_changed_by_superusers_only(ann: User, root: User) -> None:
    account = AccountFactory(owner=ann)
    form = {
        "label": "x", "base_currency": "USD", "time_zone": "UTC", "enabled": "on",
        "sync_seconds": "30", "owner": root.pk, "access-TOTAL_FORMS": "0",
        "access-INITIAL_FORMS": "0",
    }  # fmt: skip
    owners = []
    for user in (ann, root):
        assert signed_in(user).post(change_url(account), form).status_code == 302
        account.refresh_from_db()
        owners.append(account.owner)
    assert owners == [ann, root]


def test_written_by_the_desk_means_read_only_even_for_superusers(
    root: User, subtests: pytest.Subtests
) -> None:
    make_book(root, "A1")
    client = signed_in(root)
    for model in READ_ONLY:
        with subtests.test(model.__name__):
            rows = model._default_manager
            row, before = rows.all()[0], rows.count()
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            assert client.get(reverse(f"{name}_add")).status_code == 403
            assert client.post(change_url(row), {}).status_code == 403
            delete = reverse(f"{name}_delete", args=[row.pk])
            assert client.post(delete, {"post": "yes"}).status_code == 403
            chosen = {"action": "delete_selected", "_selected_action": [row.pk]}
            client.post(list_url(model), chosen)
            assert rows.count() == before


def test_account_is_disabled_and_never_deleted(root: User) -> None:
    account = AccountFactory(owner=root)
    url = reverse("admin:portfolio_account_delete", args=[account.pk])
    assert signed_in(root).post(url, {"post": "yes"}).status_code == 403
    assert Account.objects.filter(pk=account.pk).exists()


def test_quarantined_row_shows_what_was_sent_escaped(root: User) -> None:
    make_book(root, "A1")
    row = QuarantinedRow.objects.get()
    row.payload = {"symbol": "<script>alert(1)</script>"}
    row.save()
    page = signed_in(root).get(change_url(row)).text
    assert "quantity is NaN" in page
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page


def test_people_who_are_not_staff_are_kept_out(subtests: pytest.Subtests) -> None:
    client = signed_in(UserFactory())
    for model in OURS:
        with subtests.test(model.__name__):
            response = client.get(list_url(model))
            assert response.status_code == 302
            assert response.headers["Location"].startswith("/admin/login/")
