"""*memory*: what the processes of an idle demo weigh, shared pages divided among their users."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from config.core.processes.environment import free_port
from tests.benchmarks.desk import running_desk
from tests.benchmarks.home import ROOT, ordinary_environment
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import children, name_of, proportional_megabytes
from tests.benchmarks.rounds import Row

BAR = 200.0
COUNTED = ("web", "worker", "beat", "valkey")


def measure(options: Options) -> list[Row]:
    """Start a demo, leave it alone, and weigh it once: it is not a matter of rounds."""
    with running_demo() as (pid, _):
        time.sleep(options.idle)
        weights = weigh(pid)
    return [
        Row(
            name="memory: web + worker + beat + Valkey",
            measured=counted(weights),
            bar=BAR,
            unit="MB",
            note=f"PSS after {options.idle:.0f} s, not an hour, of a demo that syncs two accounts "
            f"every 30 s and nobody looks at. {parts(weights)}.",
        ),
        Row(
            name="memory: everything the demo starts",
            measured=sum(weights.values()),
            unit="MB",
            note="With supervisor, guardian, streams and the simulated market's server.",
        ),
    ]


@contextmanager
def running_demo(data: str | None = None) -> Iterator[tuple[int, int]]:
    """Run a separate demo; yield the supervisor's process and the port. ``data``: its folder."""
    port = free_port()
    with nullcontext(data) if data else tempfile.TemporaryDirectory(prefix="gd-bench-") as data:
        command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port)]
        environment = ordinary_environment() | {"VAR_DIR": data}
        with running_desk(
            command, folder=Path(data), port=port, environment=environment, longest=120
        ) as (pid, _):
            yield pid, port


def weigh(pid: int) -> dict[str, float]:
    """Return each demo process's megabytes, by name. Raises ``NotMeasured`` if one is missing."""
    weights = {"supervisor": proportional_megabytes(pid)}
    for child in children(pid):
        weights[name_of(child).removeprefix("desk-")] = proportional_megabytes(child)
    missing = set(COUNTED) - {_counted(name) for name in weights}
    if missing:
        raise NotMeasured(f"no process {', '.join(sorted(missing))} among {', '.join(weights)}")
    return weights


def counted(weights: Mapping[str, float]) -> float:
    return sum(weight for name, weight in weights.items() if _counted(name))


def parts(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:.0f}" for name, weight in weights.items())


def _counted(name: str) -> str:
    """Return which of the counted processes has this name; the Valkey shows its program's."""
    return next((one for one in COUNTED if name.startswith(one)), "")
