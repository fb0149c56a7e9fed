"""The accounts that a command is given by id."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from config.core.errors import InvalidInput
from portfolio.models import Account


def named_accounts(
    wanted: Sequence[str], among: QuerySet[Account], *, kind: str = "account"
) -> list[Account]:
    """Return the accounts named, or all, by id. Raises ``InvalidInput`` naming unknown ones."""
    known = {row.pk: row for row in among.order_by("pk")}
    if unknown := sorted(set(wanted) - known.keys()):
        raise InvalidInput(
            f"No {kind} is named {', '.join(unknown)}. Known: {', '.join(known) or 'none'}."
        )
    return [row for pk, row in known.items() if not wanted or pk in wanted]


def enabled_accounts(wanted: Sequence[str]) -> list[Account]:
    """Return the enabled accounts named, or all. Raises ``InvalidInput`` if there is none."""
    found = named_accounts(wanted, Account.objects.filter(enabled=True), kind="enabled account")
    if not found:
        raise InvalidInput("There is no enabled account: add one with add_account.")
    return found
