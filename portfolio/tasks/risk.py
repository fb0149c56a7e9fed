"""Background tasks of risk: grids after commits, daily closes and betas."""

from __future__ import annotations

from config.core.background.task import desk_task, enqueue
from portfolio.betas.writing import SECONDS, claim_missing_closes, held_names, update_betas
from portfolio.models import Position
from portfolio.risk.scenarios.kept_grids import accounts_behind, compute_scenario_grid
from portfolio.sync.grid_requests import GRID_EXPIRES_SECONDS, request_grid

_GRID_SECONDS = 60
_HELD_AGAIN_SECONDS = 2
_BETAS_EXPIRES_SECONDS = 600


def _grid_again(account_id: str) -> None:
    """Run again later: another worker may be using an older book."""
    enqueue(
        compute_scenario_grid_task,
        {"account_id": account_id},
        expires=GRID_EXPIRES_SECONDS,
        countdown=_HELD_AGAIN_SECONDS,
    )


@desk_task(
    "portfolio.compute_scenario_grid",
    subject="scenario_grid.{account_id}",
    seconds=_GRID_SECONDS,
    held=_grid_again,
)
def compute_scenario_grid_task(account_id: str) -> None:
    """Recompute one account's grid; request closes for underlyings without a beta."""
    compute_scenario_grid(account_id=account_id)
    if claim_missing_closes(held_names(Position.objects.filter(account=account_id))):
        enqueue(update_betas_task, {}, expires=_BETAS_EXPIRES_SECONDS)


@desk_task("portfolio.sweep_scenario_grids", subject="portfolio.scenario_grids", seconds=20)
def sweep_scenario_grids_task() -> None:
    """Queue the grids that are behind their books."""
    for account_id in accounts_behind():
        request_grid(account_id)


@desk_task("portfolio.update_betas", subject="portfolio.betas", seconds=SECONDS * 2)
def update_betas_task() -> None:
    """Fetch the closes that are behind, compute the betas."""
    update_betas()
