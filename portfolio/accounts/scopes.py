"""The user's accounts, read once a reading, and the cache scope they make.

Users who see the same accounts share an answer. Its key and its content are of the same accounts,
also if the access changes meanwhile.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, QuerySet

from auth_tokens.models import User
from config.core.caching.keys import scope_of_accounts
from config.core.one_reading import once
from config.core.rows.kept_query import KeptQuery
from portfolio.accounts.access import is_seen_by, no_such_account
from portfolio.models import Account, AccountStatus

_COLUMNS = [each.attname for each in Account._meta.concrete_fields]
_OF_STATUS = [each.attname for each in AccountStatus._meta.concrete_fields]


def _seen(user: Any) -> QuerySet[Account, Any]:
    status = [f"status__{name}" for name in _OF_STATUS]
    return Account.objects.filter(is_seen_by(user)).order_by("pk").values_list(*_COLUMNS, *status)


_rows = KeptQuery(_seen, user=BigIntegerField())


def accounts_in_view(user: Any) -> tuple[Account, ...]:
    """Return the accounts the user may see, by id, with their status. One query a reading."""
    if not (isinstance(user, User) and user.is_active):
        return ()
    return once(
        ("accounts_in_view", user.pk),
        lambda: tuple(_account(row) for row in _rows(user=user.pk)),
    )


def _account(row: tuple[Any, ...]) -> Account:
    """Return an account with its status, as ``select_related`` makes it."""
    account = Account.from_db(DEFAULT_DB_ALIAS, _COLUMNS, row[: len(_COLUMNS)])
    values = row[len(_COLUMNS) :]
    has_status = values[_OF_STATUS.index("account_id")] is not None
    status = AccountStatus.from_db(DEFAULT_DB_ALIAS, _OF_STATUS, values) if has_status else None
    Account._meta.get_field("status").set_cached_value(account, status)
    if status is not None:
        AccountStatus._meta.get_field("account").set_cached_value(status, account)
    return account


def account_in_view(user: Any, account_id: str) -> Account:
    """Return one of them; ``NotFound`` if it is unknown or not the user's."""
    for account in accounts_in_view(user):
        if account.pk == account_id:
            return account
    raise no_such_account()


def scope_of(user: Any) -> str:
    """Return the scope of the accounts the user may see now, as a part of a cache key.

    It changes with the access, so an answer over an account is never found after it was withdrawn.
    """
    return scope_of_accounts(account.pk for account in accounts_in_view(user))
