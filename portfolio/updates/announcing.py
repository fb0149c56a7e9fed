"""Tell open pages that portfolios have new figures."""

from __future__ import annotations

from collections.abc import Collection

from config.core.live.hub import announce
from portfolio.models import Portfolio


def group_of(owner_id: int) -> str:
    """Return the hub group of a user's portfolios."""
    return f"portfolio.owner.{owner_id}"


def announce_figures(portfolio_ids: Collection[int]) -> None:
    """Announce each owner's once. Call after the commit. One query."""
    owners = Portfolio.objects.filter(pk__in=portfolio_ids).order_by().values_list("owner_id")
    for (owner_id,) in owners.distinct():
        announce(group_of(owner_id), {"type": "portfolios.calculated"})
