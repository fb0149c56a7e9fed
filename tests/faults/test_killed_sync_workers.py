from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from portfolio.models import Account, Position, SyncRun
from tests.factories import AccountFactory

ROOT = Path(__file__).resolve().parents[2]
#: More with ``FAULT_KILLS=200``.
KILLS = int(os.environ.get("FAULT_KILLS", "20"))


@pytest.mark.processes
@pytest.mark.timeout(60 + 12 * KILLS)
@pytest.mark.django_db(transaction=True)
def test_workers_killed_at_random_moments_leave_whole_books() -> None:
    """Kills of real processes, with the book checked after each."""
    account: Account = AccountFactory.create()

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.killed_workers"),
            *(str(connection.settings_dict["NAME"]), account.pk, str(KILLS)),
        ],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=50 + 12 * KILLS,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    # Work went on over the kills, some of which hit a sync in its middle.
    assert result["versions"][-1] > 1
    assert result["versions"] == sorted(result["versions"])
    assert result["lost"] > 0
    assert Position.objects.count() == 20
    assert SyncRun.objects.filter(outcome=SyncRun.Outcome.RUNNING).count() <= 1
