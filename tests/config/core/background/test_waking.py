from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.processes
def test_worker_with_all_its_messages_in_hand_asks_for_the_next_when_a_thread_is_free() -> None:
    # Left to itself the loop sleeps for ten seconds each time that both threads are busy.
    done = subprocess.run(
        [sys.executable, "-m", "tests.config.core.background.busy_worker", "8"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.stdout.split()[-1:] == ["6"], done.stderr[-2000:]
