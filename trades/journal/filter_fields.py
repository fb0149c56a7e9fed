"""Filter fields shared by several pages."""

from __future__ import annotations

from collections.abc import Iterable

from config.core.web.filter_fields import FilterField, choice_field
from portfolio.models import Account
from trades.strategies.naming import Strategy


def account_field(accounts: Iterable[Account], account_id: str | None) -> FilterField:
    """Return a drop-down of the accounts the user may see."""
    choices = [(account.account_id, str(account)) for account in accounts]
    return choice_field("account_id", "Account", account_id, choices)


def strategy_field(strategy: str | None) -> FilterField:
    choices = [(each.value, each.value.replace("_", " ").capitalize()) for each in Strategy]
    return choice_field("strategy", "Strategy", strategy, choices)
