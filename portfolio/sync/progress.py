"""Report sync progress in its run and over the hub, without slowing down a fast sync."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from config.core.live.hub import announce, announce_all
from portfolio.models import SyncRun
from portfolio.sync.grid_requests import STREAMED_SETTLE_SECONDS, request_grid, request_grids
from portfolio.updates.asking import update_portfolios_of_account

# Steps closer together than this are not written: nobody would see them.
SECONDS_BETWEEN_WRITES = 0.2

PERCENT = {
    SyncRun.Step.QUEUED: 0,
    SyncRun.Step.SUMMARY: 10,
    SyncRun.Step.POSITIONS: 30,
    SyncRun.Step.ORDERS: 50,
    SyncRun.Step.GREEKS: 65,
    SyncRun.Step.SAVING: 90,
    SyncRun.Step.DONE: 100,
}


def account_group(account_id: str) -> str:
    """Return the hub group for everything about one account."""
    return f"portfolio.account.{account_id}"


class SyncProgress:
    """The steps of one run. Each is announced; database writes are throttled."""

    def __init__(self, run: SyncRun) -> None:
        self._run = run
        self._last_write = time.monotonic()

    def step(self, step: SyncRun.Step) -> None:
        self._run.step = step
        self._run.progress = PERCENT[step]
        moment = time.monotonic()
        if moment - self._last_write >= SECONDS_BETWEEN_WRITES:
            self._last_write = moment
            SyncRun.objects.filter(pk=self._run.pk).update(step=step, progress=PERCENT[step])
        announce_progress(self._run)


def announce_progress(run: SyncRun) -> None:
    """Tell open pages how far a run is."""
    message: dict[str, Any] = {
        "type": "sync.progressed",
        "run_id": str(run.pk),
        "account_id": run.account_id,
        "step": str(run.step),
        "progress": run.progress,
        "outcome": str(run.outcome),
        "error_code": run.error_code,
        "error": run.error,
        "last_synced": run.finished_at.isoformat()
        if run.finished_at and run.outcome in (SyncRun.Outcome.SUCCEEDED, SyncRun.Outcome.PARTIAL)
        else None,
    }
    announce(account_group(run.account_id), message)


def announce_change(account_id: str, version: int) -> None:
    """Request a grid of a newly committed version, queue its portfolios, and tell open pages."""
    update_portfolios_of_account(account_id)
    request_grid(account_id)
    announce(account_group(account_id), _changed(account_id, version))


def announce_revaluations(versions: Mapping[str, int]) -> None:
    """Do the same for streamed prices, whose portfolios the update queue totals next."""
    request_grids(versions, seconds=STREAMED_SETTLE_SECONDS)
    announce_all(
        (account_group(account_id), {**_changed(account_id, version), "prices_only": True})
        for account_id, version in versions.items()
    )


def _changed(account_id: str, version: int) -> dict[str, Any]:
    return {"type": "account.changed", "account_id": account_id, "version": version}
