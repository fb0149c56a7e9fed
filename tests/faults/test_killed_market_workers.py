from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from greeks.chains import SUMMED_GREEKS
from greeks.models import GreekSnapshot
from tests.greeks.scripted import OPENS, chain_at, polled_instrument

ROOT = Path(__file__).resolve().parents[2]
SLOTS_A_MINUTE = 12
#: More with ``FAULT_KILLS=200``.
KILLS = int(os.environ.get("FAULT_KILLS", "20"))


@pytest.mark.processes
@pytest.mark.timeout(60 + 12 * KILLS)
@pytest.mark.django_db(transaction=True)
def test_session_has_every_minute_once_though_its_workers_are_killed() -> None:
    """A session of NSE, its clock sped up, with kills of real processes in it.

    Its first hour, or the whole of it with more kills.
    """
    minutes = 375 if KILLS > 60 else 60
    polled_instrument()

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.killed_market_workers"),
            *(str(connection.settings_dict["NAME"]), str(minutes), str(KILLS)),
        ],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=50 + 12 * KILLS,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    slots = minutes * SLOTS_A_MINUTE
    assert json.loads(done.stdout.splitlines()[-1]) == {"slots": slots, "kills": KILLS}
    # Its last looks at the clock began another minute.
    ends = OPENS + timedelta(minutes=minutes)
    rows = list(GreekSnapshot.objects.filter(minute__lt=ends).order_by("minute"))
    assert [row.minute for row in rows] == [
        OPENS + timedelta(minutes=number) for number in range(minutes)
    ]
    assert {row.samples_expected for row in rows} == {SLOTS_A_MINUTE}
    # A kill costs the slots that its worker had taken, never a minute's row; a slow machine costs
    # some at the clock's speed.
    incomplete = [row for row in rows if row.samples_seen < SLOTS_A_MINUTE]
    assert len(incomplete) <= max(minutes // 2, 2 * KILLS)
    for row in rows:
        assert_is_made_of_its_samples(row)


def assert_is_made_of_its_samples(row: GreekSnapshot) -> None:
    """Check that a row's numbers are exact sums of its minute's chains, all if none is missing."""
    slots = [row.minute + timedelta(seconds=5 * number) for number in range(SLOTS_A_MINUTE)]
    chains = [chain_at(slot, strikes=8) for slot in slots]
    for greek in SUMMED_GREEKS:
        values = [math.fsum(getattr(chain, greek).tolist()) for chain in chains]
        parts = [getattr(row, f"total_{greek}_{part}") for part in ("open", "high", "low", "close")]
        if row.samples_seen == 0:
            assert parts == [None] * 4
        elif row.samples_seen == SLOTS_A_MINUTE:
            assert parts == [values[0], max(values), min(values), values[-1]]
        else:
            assert set(parts) <= set(values)
