"""Who sees which account: owners, users it is shared with, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from auth_tokens.audit.actor import acting_as
from auth_tokens.models import AuditEvent, User
from config.core.errors import Conflict, InvalidInput, NotFound
from portfolio.accounts.access import (
    account_for_user,
    accounts_administered_by,
    accounts_syncable_by,
    accounts_visible_to,
    can_sync,
    portfolios_visible_to,
)
from portfolio.accounts.connecting import connect_account
from portfolio.domain import Broker
from portfolio.models import Account, AccountAccess, Portfolio
from tests.announcements import Announcements, revocation_of
from tests.factories import AccountFactory, UserFactory
from tests.servers.valkey import RunningValkey

pytestmark = [pytest.mark.django_db, pytest.mark.database]

Role = AccountAccess.Role


@pytest.fixture
def announcements(valkey: RunningValkey) -> Iterator[Announcements]:
    heard = Announcements()
    yield heard
    heard.close()


@pytest.fixture
def ann() -> User:
    return UserFactory(username="ann")


@pytest.fixture
def bob() -> User:
    return UserFactory(username="bob")


def ids(accounts: object) -> list[str]:
    return [account.pk for account in accounts]  # type: ignore[attr-defined]


# --- Isolation --------------------------------------------------------------------------------
def test_two_users_with_separate_accounts_see_only_their_own(ann: User, bob: User) -> None:
    AccountFactory(account_id="A1", owner=ann)
    AccountFactory(account_id="B1", owner=bob)
    assert (ids(accounts_visible_to(ann)), ids(accounts_visible_to(bob))) == (["A1"], ["B1"])


def test_shared_account_is_seen_by_both_and_listed_once(ann: User, bob: User) -> None:
    shared = AccountFactory(account_id="S1", owner=ann)
    carol = UserFactory()
    for user in (bob, carol):
        AccountAccess.objects.create(user=user, account=shared)
    # A row for the owner as well must not list the account twice.
    AccountAccess.objects.create(user=ann, account=shared)
    assert [ids(accounts_visible_to(user)) for user in (ann, bob, carol)] == [["S1"]] * 3


def test_foreign_and_unknown_account_look_the_same(ann: User, bob: User) -> None:
    AccountFactory(account_id="B1", owner=bob)
    answers = []
    for account_id in ("B1", "NOBODYS", "", "x" * 5000, "B1\x00"):
        with pytest.raises(NotFound) as raised:
            account_for_user(ann, account_id)
        answers.append((raised.value.code, raised.value.message, raised.value.fields))
    assert len({str(answer) for answer in answers}) == 1
    assert account_for_user(bob, "B1").pk == "B1"


def test_disabled_account_is_hidden_from_everyone(ann: User, bob: User) -> None:
    account = AccountFactory(owner=ann, enabled=False)
    AccountAccess.objects.create(user=bob, account=account)
    assert ids(accounts_visible_to(ann)) == ids(accounts_visible_to(bob)) == []


def test_superuser_sees_no_foreign_account_without_access(ann: User) -> None:
    root = UserFactory(is_superuser=True, is_staff=True)
    account = AccountFactory(owner=ann)
    assert ids(accounts_visible_to(root)) == []
    assert ids(accounts_administered_by(root)) == [account.pk]


def test_anonymous_and_inactive_users_see_nothing(ann: User) -> None:
    AccountFactory(owner=ann)
    ann.is_active = False
    for user in (ann, AnonymousUser()):
        assert ids(accounts_visible_to(user)) == []
        assert ids(accounts_syncable_by(user)) == []
        assert ids(portfolios_visible_to(user)) == []
        assert ids(accounts_administered_by(user)) == []


def test_owner_and_manager_may_sync_and_viewer_and_stranger_may_not(ann: User, bob: User) -> None:
    account = AccountFactory(owner=ann)
    manager, viewer = UserFactory(), UserFactory()
    AccountAccess.objects.create(user=manager, account=account, role=Role.MANAGER)
    AccountAccess.objects.create(user=viewer, account=account, role=Role.VIEWER)
    allowed = {user.username: can_sync(user, account) for user in (ann, manager, viewer, bob)}
    assert list(allowed.values()) == [True, True, False, False]


def test_being_manager_elsewhere_gives_nothing_here(ann: User, bob: User) -> None:
    mine, other = AccountFactory(owner=ann), AccountFactory(owner=ann)
    AccountAccess.objects.create(user=bob, account=mine, role=Role.VIEWER)
    AccountAccess.objects.create(user=bob, account=other, role=Role.MANAGER)
    assert ids(accounts_syncable_by(bob)) == [other.pk]


def test_staff_administer_what_they_own_or_were_given(ann: User, bob: User) -> None:
    ann.is_staff = True
    ann.save()
    own = AccountFactory(account_id="A1", owner=ann, enabled=False)
    AccountFactory(account_id="B1", owner=bob)
    given = AccountFactory(account_id="B2", owner=bob)
    AccountAccess.objects.create(user=ann, account=given)
    assert ids(accounts_administered_by(ann)) == [own.pk, given.pk]
    assert ids(accounts_administered_by(bob)) == []


# --- Portfolios -------------------------------------------------------------------------------
def test_portfolio_shows_only_accounts_that_are_still_visible(ann: User, bob: User) -> None:
    own = AccountFactory(account_id="A1", owner=ann)
    foreign = AccountFactory(account_id="B1", owner=bob)
    access = AccountAccess.objects.create(user=ann, account=foreign)
    book = Portfolio.objects.create(name="All", owner=ann)
    book.accounts.set([own, foreign])
    assert ids(portfolios_visible_to(ann)[0].accounts.all()) == ["A1", "B1"]
    access.delete()
    assert ids(portfolios_visible_to(ann)[0].accounts.all()) == ["A1"]


def test_foreign_portfolio_is_not_listed(ann: User, bob: User) -> None:
    Portfolio.objects.create(name="All", owner=bob)
    assert list(portfolios_visible_to(ann)) == []


# --- Cost -------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 12])
def test_query_count_does_not_grow_with_accounts(
    ann: User, bob: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(count):
        account = AccountFactory(owner=bob if n % 2 else ann)
        AccountAccess.objects.get_or_create(user=ann, account=account)
        Portfolio.objects.create(name=f"P{n}", owner=ann).accounts.add(account)
    with django_assert_num_queries(1):
        assert len(accounts_visible_to(ann)) == count
    with django_assert_num_queries(2):
        listed = [ids(portfolio.accounts.all()) for portfolio in portfolios_visible_to(ann)]
    assert [len(accounts) for accounts in listed] == [1] * count
    with django_assert_num_queries(1):
        account_for_user(ann, account.pk)
    with django_assert_num_queries(1):
        can_sync(ann, account)


# --- Adding accounts --------------------------------------------------------------------------
def test_new_account_has_its_number_as_id_and_leaves_a_trail(ann: User) -> None:
    account = connect_account(broker=Broker.IBKR, account_number="U1234567", owner=ann, actor=ann)
    assert account.account_id == "U1234567"
    event = AuditEvent.objects.get(event="account.created")
    assert (event.actor, event.subject) == (ann, "U1234567")
    assert event.detail == {"broker": "IBKR", "owner": "ann"}


def test_same_number_at_another_broker_gets_the_broker_as_prefix(ann: User, bob: User) -> None:
    connect_account(broker=Broker.IBKR, account_number="12345", owner=ann)
    second = connect_account(broker=Broker.TASTY, account_number="12345", owner=bob)
    assert second.account_id == "TASTY-12345"
    assert ids(accounts_visible_to(ann)) == ["12345"]


def test_account_is_connected_once(ann: User, bob: User) -> None:
    connect_account(broker=Broker.IBKR, account_number="U1", owner=ann)
    with pytest.raises(Conflict, match="already connected"):
        connect_account(broker=Broker.IBKR, account_number="U1", owner=bob)
    assert Account.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("broker", "MOON"),
        ("account_number", ""),
        ("account_number", "U1/../x"),
        ("account_number", "U1\x00"),
        ("account_number", "U1\n"),
        ("account_number", "U" * 49),
        ("label", "L" * 65),
        ("base_currency", "dollars"),
    ],
)
def test_impossible_account_is_refused_naming_the_field(ann: User, field: str, value: str) -> None:
    given: dict[str, Any] = {
        "broker": "IBKR",
        "account_number": "U1",
        "label": "",
        "base_currency": "USD",
    }
    with pytest.raises(InvalidInput) as raised:
        connect_account(owner=ann, **(given | {field: value}))
    assert list(raised.value.fields) == [field]
    assert not Account.objects.exists()


def test_inactive_owner_is_refused() -> None:
    with pytest.raises(InvalidInput) as raised:
        connect_account(broker=Broker.IBKR, account_number="U1", owner=UserFactory(is_active=False))
    assert list(raised.value.fields) == ["owner"]


# --- Sharing ----------------------------------------------------------------------------------
def test_sharing_and_unsharing_change_what_is_seen_and_leave_a_trail(
    ann: User, bob: User, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    account = AccountFactory(owner=ann)
    with acting_as(ann), django_capture_on_commit_callbacks(execute=True):
        access = AccountAccess.objects.create(user=bob, account=account)
    assert ids(accounts_visible_to(bob)) == [account.pk]
    with acting_as(ann):
        access.role = Role.MANAGER
        access.save()
        assert can_sync(bob, account)
        access.delete()
    assert ids(accounts_visible_to(bob)) == []
    trail = AuditEvent.objects.filter(subject=account.pk, actor=ann).order_by("pk")
    assert [(event.event, event.detail.get("role")) for event in trail] == [
        ("account.shared", "viewer"),
        ("account.shared", "manager"),
        ("account.unshared", None),
    ]
    assert announcements.received() == revocation_of(bob.pk)


@pytest.mark.parametrize(
    ("change", "event"),
    [({"enabled": False}, "account.disabled"), ({"owner": "bob"}, "account.owner_changed")],
)
def test_change_by_any_way_reaches_everyone_concerned(
    ann: User, bob: User, change: dict[str, object], event: str,
    announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    account = AccountFactory(owner=ann)
    AccountAccess.objects.create(user=bob, account=account)
    for name, value in change.items():
        setattr(account, name, bob if value == "bob" else value)
    with django_capture_on_commit_callbacks(execute=True):
        account.save()
    assert AuditEvent.objects.filter(event=event, subject=account.pk).count() == 1
    told = {message["user_id"] for _, message in announcements.received()}
    assert told == {ann.pk, bob.pk}


def test_ordinary_save_leaves_no_trail_and_announces_nothing(
    ann: User, announcements: Announcements,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    account = AccountFactory(owner=ann)
    events = AuditEvent.objects.count()
    account.label = "Retirement"
    with django_capture_on_commit_callbacks(execute=True):
        account.save()
    # A sync's write of its own columns costs no extra look at who may see the account.
    with django_assert_num_queries(1):
        account.save(update_fields=["last_synced_at"])
    assert AuditEvent.objects.count() == events
    assert announcements.received() == []
