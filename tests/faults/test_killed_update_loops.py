from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from portfolio.models import Portfolio, Position
from tests.factories import AccountFactory, OptionFactory, PositionFactory

ROOT = Path(__file__).resolve().parents[2]
#: More with ``FAULT_KILLS=200``.
KILLS = int(os.environ.get("FAULT_KILLS", "20"))


@pytest.mark.processes
@pytest.mark.timeout(60 + 12 * KILLS)
@pytest.mark.django_db(transaction=True)
def test_last_prices_are_totalled_though_the_loops_are_killed() -> None:
    instrument = OptionFactory.create(key="option:moved")
    for _ in range(4):
        account = AccountFactory.create()
        for number in range(3):
            PositionFactory.create(
                account=account, instrument=instrument, sub_key=str(number), market_value=0
            )

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.killed_update_loops"),
            *(str(connection.settings_dict["NAME"]), str(KILLS)),
        ],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=50 + 12 * KILLS,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["counts"]["pending_updates"] == told["counts"]["in_progress"] == 0
    moved = {int(pk): value for pk, value in told["values"].items()}
    for portfolio in Portfolio.objects.all():
        held = Position.objects.filter(account__owner=portfolio.owner).values_list("pk", flat=True)
        last = sum(moved.get(pk, 0) for pk in held)
        if any(pk in moved for pk in held):
            assert portfolio.value == last
