"""What the kernel knows of processes: memory, processor time, children. Linux only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.options import NotMeasured

PROC = Path("/proc")


def proportional_megabytes(pid: int) -> float:
    """Memory with each shared page divided among its users (PSS), in MB of a million bytes."""
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError as error:
        raise NotMeasured(f"PSS of process {pid}: {error.strerror}") from None
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024 / 1e6


def processor_seconds(pid: int) -> float:
    """Return time that all threads of the process have run, to the nanosecond."""
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError as error:
        raise NotMeasured(f"processor time of process {pid}: {error.strerror}") from None


def children(pid: int) -> Iterator[int]:
    """Yield the process's children, in the order in which they were started."""
    listed = PROC / str(pid) / "task" / str(pid) / "children"
    try:
        yield from sorted(int(child) for child in listed.read_text().split())
    except OSError as error:
        raise NotMeasured(f"children of process {pid}: {error.strerror}") from None


def name_of(pid: int) -> str:
    """Return the name under which the process shows in ``ps``."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError as error:
        raise NotMeasured(f"name of process {pid}: {error.strerror}") from None
