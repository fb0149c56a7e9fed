"""*set-up*: from a fresh clone, and from one that is set up, to the first page."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from config.core.processes.environment import free_port
from tests.benchmarks.desk import running_desk
from tests.benchmarks.home import ROOT, ordinary_environment
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, median

SET_UP_BAR = 60.0
START_BAR = 8.0
STARTS = 3


def measure(options: Options) -> list[Row]:
    """Once from nothing, three times again: a set-up is too long for interleaved rounds."""
    with tempfile.TemporaryDirectory(prefix="gd-bench-") as place:
        folder = Path(place)
        clone = folder / "greekdesk"
        _clone(clone)
        caches = {
            "UV_CACHE_DIR": str(folder / "uv"),
            "PIP_CACHE_DIR": str(folder / "pip"),
            "npm_config_cache": str(folder / "npm"),
        }
        environment = ordinary_environment() | caches

        def start(longest: float) -> float:
            port = free_port()
            command = ["make", "run", f"PORT={port}"]
            with running_desk(
                command, folder=clone, port=port, environment=environment, longest=longest
            ) as (_, taken):
                return taken

        first = start(600)
        again = [start(60) for _ in range(STARTS)]
        steps = _steps(clone / "desk.log")
    return [
        Row(
            name="set-up: fresh clone to first page",
            measured=first,
            bar=SET_UP_BAR,
            unit="s",
            note="`make run` in a clone of the last commit with empty caches of uv, pip and npm, "
            "once. The machine has make and Python, and a package registry that is near.",
        ),
        Row(
            name="set-up: next start to first page",
            measured=median(again),
            bar=START_BAR,
            unit="s",
            note=f"Median of {STARTS} further starts of the same clone. Of the last: {steps}.",
        ),
    ]


def _clone(target: Path) -> None:
    """Clone the last commit afresh. Raises ``NotMeasured`` outside a git checkout."""
    git = shutil.which("git")
    if git is None:
        raise NotMeasured("git is not installed")
    cloned = subprocess.run(
        [git, "clone", "--quiet", "--no-hardlinks", "--depth", "1", f"file://{ROOT}", str(target)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if cloned.returncode:
        raise NotMeasured(f"git clone: {cloned.stderr.strip()}")


def _steps(log: Path) -> str:
    """Return the steps that the start prints, with their seconds."""
    timed = [line.split() for line in log.read_text().splitlines() if line.endswith(" s")]
    return ", ".join(f"{' '.join(words[:-2])} {words[-2]} s" for words in timed)
