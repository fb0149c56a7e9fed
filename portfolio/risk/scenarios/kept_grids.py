"""Each account's grid over the default axes, recomputed by a worker after each commit.

Grids add up across accounts, so one grid per account serves every set of accounts a user may see
(docs/decisions/0015). ``portfolio.sync.grid_requests`` queues one after a commit; a scheduled check
finds what was missed.
"""

from __future__ import annotations

from django.db.models import F, Q

from config.core.live.hub import announce
from portfolio.models import Account, ScenarioGrid
from portfolio.risk.book import read_risk_book
from portfolio.risk.report import ready_book
from portfolio.risk.scenarios.axes import DEFAULT_AXES
from portfolio.risk.scenarios.grid import leg_pnl
from portfolio.sync.grid_requests import forget_grid_request
from portfolio.sync.progress import account_group

# Most grids one scheduled check asks for.
MOST_BEHIND = 100


def accounts_behind() -> list[str]:
    """Return enabled accounts whose grid is missing or older than their book, oldest first."""
    missing = Q(scenario_grid__isnull=True)
    behind = Q(scenario_grid__book_version__lt=F("book_version"))
    other_axes = ~Q(scenario_grid__axes=DEFAULT_AXES.body())
    rows = Account.objects.filter(missing | behind | other_axes, enabled=True)
    return list(
        rows.order_by(F("scenario_grid__as_of").asc(nulls_first=True), "pk").values_list(
            "pk", flat=True
        )[:MOST_BEHIND]
    )


def compute_scenario_grid(*, account_id: str) -> bool:
    """Revalue the account's current book and keep the grid. ``False`` if already kept or gone.

    A newer version's grid is never overwritten by an older one's.
    """
    # From here on a commit queues another grid: this one may miss its book.
    forget_grid_request(account_id)
    account = Account.objects.select_related("status").filter(pk=account_id, enabled=True).first()
    if account is None:
        return False
    # Read after the version: the book may be newer than that, never older.
    book = read_risk_book([account], with_closes=False)
    ready = ready_book(book)
    pnl = leg_pnl(ready, DEFAULT_AXES, weights=book.weights).sum(axis=-1)
    values = {
        "book_version": account.book_version,
        "currency": book.currency,
        "axes": DEFAULT_AXES.body(),
        "pnl": pnl.tolist(),
        "left_out": len(ready.left_out),
        "as_of": book.at,
    }
    grids = ScenarioGrid.objects.filter(account=account)
    if not grids.filter(book_version__lte=account.book_version).update(**values):
        _, created = ScenarioGrid.objects.get_or_create(account=account, defaults=values)
        if not created:
            return False
    announce(
        account_group(account_id),
        {
            "type": "scenarios.changed",
            "account_id": account_id,
            "version": account.book_version,
        },
    )
    return True
