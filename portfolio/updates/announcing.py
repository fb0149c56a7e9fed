"""Tell open pages that portfolios have new figures, or were made, renamed, changed or removed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import receiver

from config.core.live.hub import announce, announce_all
from portfolio.models import Portfolio


def group_of(owner_id: int) -> str:
    """Return the hub group of a user's portfolios."""
    return f"portfolio.owner.{owner_id}"


def announce_figures(portfolio_ids: Collection[int]) -> None:
    """Announce each owner's portfolios once. Call after the commit. One query."""
    owners = Portfolio.objects.filter(pk__in=portfolio_ids).order_by().values_list("owner_id")
    announce_all(
        (group_of(owner_id), {"type": "portfolios.calculated"}) for (owner_id,) in owners.distinct()
    )


# Signals catch every path: the page, the API, the admin, a shell. Figures are written past them.
@receiver(post_save, sender=Portfolio)
@receiver(post_delete, sender=Portfolio)
@receiver(m2m_changed, sender=Portfolio.accounts.through)
def announce_edit(instance: Any, **_: Any) -> None:
    """Announce an edited portfolio to its owner's pages after the commit."""
    if isinstance(instance, Portfolio):
        group = group_of(instance.owner_id)
        transaction.on_commit(lambda: announce(group, {"type": "portfolios.edited"}))
