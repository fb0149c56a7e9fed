from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.factories import AccountFactory
from tests.faults.killed_recorders import FILLS

ROOT = Path(__file__).resolve().parents[2]
#: More on a quiet machine: ``FAULT_KILLS=200``.
KILLS = int(os.environ.get("FAULT_KILLS", "8"))


@pytest.mark.processes
@pytest.mark.timeout(60 + 30 * KILLS)
@pytest.mark.django_db(transaction=True)
def test_recorders_killed_at_random_moments_lose_and_double_no_fill() -> None:
    AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.killed_recorders"),
            *(str(connection.settings_dict["NAME"]), "U1", str(KILLS)),
        ],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=50 + 30 * KILLS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    corrected = [fill for fill in range(FILLS) if fill % 5 == 0]
    cancelled = [fill for fill in range(FILLS) if fill % 5 and fill % 7 == 0]
    kept = [fill for fill in range(FILLS) if fill not in cancelled]
    assert len(result["counts"]) == KILLS
    assert result["rows"] == FILLS + len(corrected)
    assert result["live"] == len(kept)
    assert float(result["lots"]) == sum(fill + 1 for fill in kept)
    assert result["waiting"] == 0
