"""Who may see and sync which account. Every read of the book starts here.

Access is private by default. A user sees enabled accounts they own or that an ``AccountAccess`` row
shares with them; staff and superusers get nothing extra here (superusers manage all accounts in the
admin, where it is recorded). Unknown and forbidden accounts look the same.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from auth_tokens.models import User
from config.core.errors import NotFound
from portfolio.models import Account, AccountAccess, Portfolio

_LONGEST_ACCOUNT_ID = 64


def accounts_visible_to(
    user: User | AnonymousUser, among: QuerySet[Account] | None = None
) -> QuerySet[Account]:
    """Return enabled accounts the user owns or was given access to, ordered by id. One query."""
    accounts = Account.objects.all() if among is None else among
    if not (isinstance(user, User) and user.is_active):
        return accounts.none()
    return accounts.filter(is_seen_by(user))


def is_seen_by(user: Any) -> Q:
    """Return the condition that an active user sees an account: of the user, or of an id."""
    shared = AccountAccess.objects.filter(account=OuterRef("pk"), user=user)
    return Q(Q(owner=user) | Exists(shared), enabled=True)


def accounts_syncable_by(user: User | AnonymousUser) -> QuerySet[Account]:
    """Return the visible accounts the user may sync: those they own or manage."""
    visible = accounts_visible_to(user)
    if not isinstance(user, User):
        return visible
    managed = AccountAccess.objects.filter(
        account=OuterRef("pk"), user=user, role=AccountAccess.Role.MANAGER
    )
    return visible.filter(Q(owner=user) | Exists(managed))


def account_for_user(user: User | AnonymousUser, account_id: str) -> Account:
    """Return the account if the user may see it; ``NotFound`` if unknown or not theirs."""
    account = None
    # No database takes NUL or half a surrogate pair, and no id is longer than the column.
    if account_id.isprintable() and 0 < len(account_id) <= _LONGEST_ACCOUNT_ID:
        account = accounts_visible_to(user).filter(pk=account_id).first()
    if account is None:
        raise no_such_account()
    return account


def no_such_account() -> NotFound:
    """Return the error for an account that is unknown or not the user's."""
    return NotFound("No such account.", fields={"account_id": "unknown"})


def can_sync(user: User | AnonymousUser, account: Account) -> bool:
    """Return whether the user may request a sync: owners and managers may, viewers may not."""
    return accounts_syncable_by(user).filter(pk=account.pk).exists()


def portfolios_visible_to(user: User | AnonymousUser) -> QuerySet[Portfolio]:
    """Return the user's named portfolios, each with only the accounts the user may see now.

    Two queries for any number of portfolios. A portfolio's stored totals may cover accounts no
    longer visible, so readers compute from ``accounts``.
    """
    if not (isinstance(user, User) and user.is_active):
        return Portfolio.objects.none()
    return Portfolio.objects.filter(owner=user, holds_all=False).prefetch_related(
        Prefetch("accounts", queryset=accounts_visible_to(user))
    )


def accounts_administered_by(user: User | AnonymousUser) -> QuerySet[Account]:
    """Return the accounts the admin lists: all for superusers, else those the user owns or sees.

    Own disabled accounts are included, or only a superuser could enable them again.
    """
    if not (isinstance(user, User) and user.is_active and user.is_staff):
        return Account.objects.none()
    if user.is_superuser:
        return Account.objects.all()
    shared = AccountAccess.objects.filter(account=OuterRef("pk"), user=user)
    return Account.objects.filter(Q(owner=user) | (Q(enabled=True) & Exists(shared)))
