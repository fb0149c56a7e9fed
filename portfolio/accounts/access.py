"""Who may see and sync which account: every read of the book starts here.

Access is private by default. A user sees the enabled accounts they own and those shared with them
by an ``AccountAccess`` row; being staff or superuser adds nothing here (superusers administer all
accounts in the admin, where it is recorded). A foreign account and an unknown one look the same.
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from auth_tokens.models import User
from config.core.errors import NotFound
from portfolio.models import Account, AccountAccess, Portfolio

_LONGEST_ACCOUNT_ID = 64


def accounts_visible_to(user: User | AnonymousUser) -> QuerySet[Account]:
    """Enabled accounts that the user owns or was given access to, ordered by id. One query."""
    if not (isinstance(user, User) and user.is_active):
        return Account.objects.none()
    return Account.objects.filter(
        Q(owner=user) | Exists(AccountAccess.objects.filter(account=OuterRef("pk"), user=user)),
        enabled=True,
    )


def accounts_syncable_by(user: User | AnonymousUser) -> QuerySet[Account]:
    """The visible accounts whose sync the user may ask for: own ones, and those they manage."""
    visible = accounts_visible_to(user)
    if not isinstance(user, User):
        return visible
    managed = AccountAccess.objects.filter(
        account=OuterRef("pk"), user=user, role=AccountAccess.Role.MANAGER
    )
    return visible.filter(Q(owner=user) | Exists(managed))


def account_for_user(user: User | AnonymousUser, account_id: str) -> Account:
    """The account, if the user may see it; ``NotFound`` alike for foreign and unknown ones."""
    account = None
    # PostgreSQL refuses NUL in text; nothing longer than the column can exist.
    if account_id and "\x00" not in account_id and len(account_id) <= _LONGEST_ACCOUNT_ID:
        account = accounts_visible_to(user).filter(pk=account_id).first()
    if account is None:
        raise NotFound("No such account.", fields={"account_id": "unknown"})
    return account


def can_sync(user: User | AnonymousUser, account: Account) -> bool:
    """Whether the user may ask for a sync: the owner and managers may, viewers may not."""
    return accounts_syncable_by(user).filter(pk=account.pk).exists()


def portfolios_visible_to(user: User | AnonymousUser) -> QuerySet[Portfolio]:
    """The user's portfolios, each with only those of its accounts that the user may see now.

    Two queries, however many portfolios. Stored totals of a portfolio may cover accounts that are
    no longer visible: readers compute from ``accounts``.
    """
    if not (isinstance(user, User) and user.is_active):
        return Portfolio.objects.none()
    return Portfolio.objects.filter(owner=user).prefetch_related(
        Prefetch("accounts", queryset=accounts_visible_to(user))
    )


def accounts_administered_by(user: User | AnonymousUser) -> QuerySet[Account]:
    """What the admin lists: everything for superusers, for other staff what they own or see.

    Own disabled accounts are included, or nobody but a superuser could enable them again.
    """
    if not (isinstance(user, User) and user.is_active and user.is_staff):
        return Account.objects.none()
    if user.is_superuser:
        return Account.objects.all()
    shared = AccountAccess.objects.filter(account=OuterRef("pk"), user=user)
    return Account.objects.filter(Q(owner=user) | (Q(enabled=True) & Exists(shared)))
