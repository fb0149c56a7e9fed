"""The admin: a fixed cost a list, each within its owner's reach, books read-only, no secret."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from auth_tokens.api_tokens.reading import api_token_by_text
from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken, AuditEvent, BrokerToken, TokenEvent, User
from greeks.calendar.sessions import session_on
from greeks.models import (
    AlertChannel,
    AlertEvent,
    AlertRule,
    ContractGreeks,
    Dividend,
    ExchangeSession,
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
    PASSWORD,
    AccountFactory,
    AccountStatusFactory,
    PositionFactory,
    UserFactory,
)

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


@pytest.fixture
def root() -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def ann() -> User:
    """Staff with every permission on our models, but no superuser."""
    ann = UserFactory(username="ann", is_staff=True)
    ours = ("auth_tokens", "greeks", "portfolio")
    ann.user_permissions.set(Permission.objects.filter(content_type__app_label__in=ours))
    return ann


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def list_url(model: type) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]


def change_url(row: object) -> str:
    meta = row._meta  # type: ignore[attr-defined]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])  # type: ignore[attr-defined]


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


# --- Cost -------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_list_costs_the_same_for_few_rows_and_for_many(root: User, model: type) -> None:
    client = signed_in(root)
    counts = []
    for batch in (range(2), range(2, 12)):
        for n in batch:
            make_book(root, f"A{n:02}")
        client.get(list_url(model))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(list_url(model))
        assert response.status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= LIST_BUDGET


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_search_and_first_row_open(root: User, model: type) -> None:
    make_book(root, "A1")
    client = signed_in(root)
    found = client.get(list_url(model) + "?q=A1")
    assert found.status_code == 200
    row = client.get(list_url(model)).context["cl"].result_list[0]
    assert client.get(change_url(row)).status_code == 200


# --- Reach ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "model", [Account, Portfolio, Scenario, *BOOK, *ALERTS], ids=lambda model: model.__name__
)
def test_staff_see_their_own_and_superusers_see_all(ann: User, root: User, model: type) -> None:
    make_book(ann, "ANNS")
    make_book(UserFactory(), "BOBS")
    seen = {}
    for user in (ann, root):
        response = signed_in(user).get(list_url(model))
        seen[user.username] = len(response.context["cl"].result_list)
        if user is ann:
            assert "BOBS" not in response.text
    assert seen == {"ann": 1, "root": 2}


@pytest.mark.parametrize(
    "model", [Account, Portfolio, Scenario, *BOOK], ids=lambda model: model.__name__
)
def test_foreign_row_cannot_be_opened_by_its_address(ann: User, model: type) -> None:
    make_book(UserFactory(), "BOBS")
    rows = model._default_manager  # type: ignore[attr-defined]
    row = rows.get(holds_all=False) if model is Portfolio else rows.get()
    response = signed_in(ann).get(change_url(row))
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


# --- Read-only --------------------------------------------------------------------------------
@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_written_by_the_desk_means_read_only_even_for_superusers(root: User, model: type) -> None:
    make_book(root, "A1")
    client = signed_in(root)
    row = model._default_manager.first()  # type: ignore[attr-defined]
    meta = model._meta  # type: ignore[attr-defined]
    name = f"admin:{meta.app_label}_{meta.model_name}"
    before = model._default_manager.count()  # type: ignore[attr-defined]
    assert client.get(reverse(f"{name}_add")).status_code == 403
    assert client.post(change_url(row), {}).status_code == 403
    assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    client.post(list_url(model), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert model._default_manager.count() == before  # type: ignore[attr-defined]


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


# --- People and tokens ------------------------------------------------------------------------
def test_password_hash_is_shown_nowhere(root: User) -> None:
    client = signed_in(root)
    hashes = [part for part in root.password.split("$") if len(part) > 4]
    for url in (list_url(User), change_url(root)):
        page = client.get(url).text
        assert root.password not in page
        assert not [part for part in hashes if part[:6] in page]
    assert reverse("admin:auth_user_password_change", args=[root.pk]) in page


def test_password_is_changed_on_its_own_page(root: User, ann: User) -> None:
    url = reverse("admin:auth_user_password_change", args=[ann.pk])
    new = "quite-another-passphrase"
    client = signed_in(root)
    response = client.post(url, {"password1": new, "password2": new, "usable_password": "true"})
    assert response.status_code == 302
    ann.refresh_from_db()
    assert ann.check_password(new)
    event = AuditEvent.objects.get(event="user.password_changed")
    assert (event.actor, event.subject) == (root, "ann")


def test_staff_cannot_give_themselves_privileges(ann: User) -> None:
    form = {"username": "ann", "is_active": "on", "is_staff": "on", "is_superuser": "on",
            "time_zone": "Asia/Kolkata"}  # fmt: skip
    assert signed_in(ann).post(change_url(ann), form).status_code == 302
    ann.refresh_from_db()
    assert (ann.is_superuser, ann.time_zone) == (False, "Asia/Kolkata")


def test_staff_cannot_touch_superusers(ann: User, root: User) -> None:
    client = signed_in(ann)
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    delete = reverse("admin:auth_tokens_user_delete", args=[root.pk])
    assert client.post(change_url(root), {"username": "gone"}).status_code == 403
    assert client.post(password, {"password1": "x", "password2": "x"}).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(
        list_url(User),
        {"action": "delete_selected", "_selected_action": [root.pk], "post": "yes"},
    )
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


def test_unknown_time_zone_is_refused_for_a_user(root: User) -> None:
    form = {"username": "root", "is_active": "on", "is_staff": "on", "is_superuser": "on",
            "time_zone": "Mars/Olympus"}  # fmt: skip
    response = signed_in(root).post(change_url(root), form)
    assert response.status_code == 200
    assert "Unknown time zone" in response.text


def test_tokens_are_revoked_in_the_admin_by_action(root: User, ann: User) -> None:
    issued = create_api_token(user=ann, name="robot")
    client = signed_in(root)
    client.post(list_url(ApiToken), {"action": "revoke", "_selected_action": [issued.token.pk]})
    assert api_token_by_text(issued.text) is None
    event = AuditEvent.objects.get(event="api_token.revoked")
    assert (event.actor, event.detail["user"]) == (root, "ann")


def test_staff_see_and_revoke_only_their_own_tokens(ann: User, root: User) -> None:
    own = create_api_token(user=ann, name="robot")
    foreign = create_api_token(user=root, name="rootbot")
    client = signed_in(ann)
    page = client.get(list_url(ApiToken)).text
    assert own.token.prefix in page
    assert foreign.token.prefix not in page
    client.post(list_url(ApiToken), {"action": "revoke", "_selected_action": [foreign.token.pk]})
    assert api_token_by_text(foreign.text) is not None


def test_staff_see_only_what_they_did_themselves_in_the_trail(ann: User, root: User) -> None:
    create_api_token(user=root, name="rootbot")
    create_api_token(user=ann, name="robot")
    AuditEvent.objects.exclude(event="api_token.created").delete()
    client = signed_in(ann)
    AuditEvent.objects.filter(event="session.started").delete()
    events = client.get(list_url(AuditEvent)).context["cl"].result_list
    assert [event.actor for event in events] == [ann]


# --- Calendar ---------------------------------------------------------------------------------
DAY = date(2031, 3, 10)


@pytest.fixture
def session() -> ExchangeSession:
    opens_at = datetime(2031, 3, 10, 13, 30, tzinfo=UTC)
    return ExchangeSession.objects.create(
        exchange="NYSE", session_date=DAY, opens_at=opens_at,
        closes_at=opens_at + timedelta(hours=6, minutes=30),
    )  # fmt: skip


def session_form(**changes: str) -> dict[str, str]:
    """Return the form of the session above: hours are by the exchange's clock."""
    return {
        "exchange": "NYSE", "session_date": "2031-03-10", "opens": "09:30", "closes": "16:00",
        "kind": "regular", "note": "",
    } | changes  # fmt: skip


def test_edited_session_is_marked_and_can_be_given_back(
    root: User, session: ExchangeSession
) -> None:
    client = signed_in(root)
    form = session_form(closes="13:00", kind="half_day")
    assert client.post(change_url(session), form).status_code == 302
    session.refresh_from_db()
    assert (session.edited, session.kind) == (True, "half_day")
    assert "09:30 EDT" in client.get(list_url(ExchangeSession) + "?q=").text
    assert client.post(change_url(session), form).status_code == 302
    session.refresh_from_db()
    assert session.edited is False


def test_saving_without_a_change_marks_nothing(root: User, session: ExchangeSession) -> None:
    assert signed_in(root).post(change_url(session), session_form()).status_code == 302
    session.refresh_from_db()
    assert session.edited is False


@pytest.mark.parametrize(
    "changes",
    [
        {"session_date": "2031-03-41"},
        {"exchange": "MOON"},
        {"closes": "09:00"},
        {"opens": ""},
    ],
)
def test_impossible_session_is_refused(
    root: User, session: ExchangeSession, changes: dict[str, str]
) -> None:
    response = signed_in(root).post(change_url(session), session_form(**changes))
    assert response.status_code == 200
    assert response.context["errors"]
    session.refresh_from_db()
    assert session.edited is False


def test_days_are_closed_by_action_and_not_deleted(root: User, session: ExchangeSession) -> None:
    client = signed_in(root)
    delete = reverse("admin:greeks_exchangesession_delete", args=[session.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(
        list_url(ExchangeSession), {"action": "close_days", "_selected_action": [session.pk]}
    )
    session.refresh_from_db()
    assert (session.kind, session.edited) == ("closed", True)
    assert session_on("NYSE", DAY) is None
    assert client.post(delete, {"post": "yes"}).status_code == 302


# --- Doors ------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_people_who_are_not_staff_are_kept_out(model: type) -> None:
    response = signed_in(UserFactory()).get(list_url(model))
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")
