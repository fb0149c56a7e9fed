"""The supervisor: starts the desk's processes, watches them, stops them in order.

One thread, one loop: it may fork at any time, so it holds no thread, database connection or client.
A process that ends is restarted after a growing pause, with a message; one that ends quickly three
times in a row stops everything and shows its last output. One whose pulse stops is killed. A lock
prevents a second supervisor on the same checkout.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from config.core.processes.lifeline import Guardian
from config.core.processes.process import LogFile, ProcessSpec, SupervisedProcess
from config.core.processes.pulse import REPLACE, SILENT_SECONDS

QUICK_SECONDS = 10.0
QUICK_CRASHES = 3
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# Below five seconds together; interrupted work goes back to the queue.
WORK_STOP_SECONDS = 3.0
FOUNDATION_STOP_SECONDS = 1.0


class SupervisionError(Exception):
    """The desk cannot start or continue. The message is for whoever started it."""


class StopRequested(Exception):
    """Stop requested while the supervisor was still starting."""


@dataclass(slots=True)
class _Restart:
    """A process's recent exits, and when to restart it."""

    quick_crashes: int = 0
    due: float | None = None


def say(line: str) -> None:
    """Print to the terminal; ignore one that is gone."""
    with suppress(OSError, ValueError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Supervisor:
    """Runs processes. As a context manager, leaves nothing running on exit."""

    def __init__(
        self,
        *,
        data: Path,
        leftovers: tuple[Path, ...] = (),
        echo: bool = False,
        first_pause: float = FIRST_PAUSE,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self.data = data
        self.leftovers = leftovers
        self.echo = echo
        self.first_pause = first_pause
        self.silent_seconds = silent_seconds
        self.processes: dict[str, SupervisedProcess] = {}
        self._restarts: dict[str, _Restart] = {}
        self._stopping = False
        self._held: list[bytes] | None = None

    def __enter__(self) -> Supervisor:
        if threading.active_count() > 1:
            raise SupervisionError("the supervisor forks, so nothing may have started a thread.")
        (self.data / "logs").mkdir(parents=True, exist_ok=True)
        self._lock = (self.data / "supervisor.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SupervisionError(
                f"another desk is running from {self.data}. Stop it first."
            ) from None
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._guardian = Guardian(leftovers=self.leftovers)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stop_all()
        self._guardian.dismiss()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (self._wake_reader, self._wake_writer):
            os.close(descriptor)
        self._lock.close()

    def start(self, spec: ProcessSpec) -> SupervisedProcess:
        """Start a process that must stay up."""
        # Foundation processes log in their own format to their own file.
        echoed = self.echo and not spec.foundation
        log = None if echoed else LogFile(self.data / "logs" / f"{spec.name}.log")
        process = SupervisedProcess(spec, guardian=self._guardian, log=log)
        self.processes[spec.name] = process
        self._restarts.setdefault(spec.name, _Restart())
        return process

    def run_once(self, spec: ProcessSpec, *, seconds: float) -> None:
        """Run a process to its end. Raises ``SupervisionError`` with its last output if it
        fails."""
        process = self.start(replace(spec, once=True))
        self.wait_until(lambda: process.poll() is not None, seconds=seconds, what=spec.name)
        del self.processes[spec.name]
        if process.status:
            raise SupervisionError(self._last_words(process, f"{spec.name} failed"))

    @contextmanager
    def output_held(self) -> Iterator[None]:
        """Hold the processes' output back while a line is written to the terminal."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            _echo(b"".join(held))

    def wait_until(self, ready: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Watch everything until ``ready``. Raises on timeout or stop."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                process = self.processes.get(what)
                failure = f"{what} was not ready after {seconds:.0f} s"
                raise SupervisionError(self._last_words(process, failure) if process else failure)
            self.attend(0.05)
            if self._stopping:
                raise StopRequested

    def watch(self) -> None:
        """Keep the processes up until asked to stop."""
        while not self._stopping:
            self.attend(1.0)

    def attend(self, seconds: float) -> None:
        """One round: wait for an event, read output, restart what ended."""
        waiting = [p.output for p in self.processes.values() if p.status is None]
        pause = min([seconds, *self._pauses()])
        readable, _, _ = select.select([self._wake_reader, *waiting], [], [], max(0.0, pause))
        if self._wake_reader in readable:
            with suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)
        for process in list(self.processes.values()):
            if process.output in readable and process.status is None:
                self._pass_on(process, process.read_output())
            if (silent := process.silence()) > self.silent_seconds:
                say(f"  {process.name} has done nothing for {silent:.0f} s; it is ended.")
                process.end(signal.SIGKILL)
            ended = process.status is None and process.poll() is not None
            if ended and not self._stopping and not process.spec.once:
                self._ended(process)
        self._restart_due()

    def stop_all(self) -> None:
        """Stop in order: workers first, then what they depend on."""
        self._stopping = True
        everything = list(self.processes.values())
        for foundation, seconds in ((False, WORK_STOP_SECONDS), (True, FOUNDATION_STOP_SECONDS)):
            group = [p for p in everything if p.spec.foundation is foundation]
            for process in group:
                process.end(signal.SIGTERM)
            self._wait_for_end(group, time.monotonic() + seconds)
            for process in group:
                process.end(signal.SIGKILL)
            self._wait_for_end(group, time.monotonic() + 0.5)
        self.processes.clear()

    def _wait_for_end(self, processes: list[SupervisedProcess], deadline: float) -> None:
        while time.monotonic() < deadline:
            for process in processes:
                if process.status is None:
                    self._pass_on(process, process.read_output())
            if all(process.poll() is not None for process in processes):
                return
            select.select([self._wake_reader], [], [], 0.02)
            with suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _pauses(self) -> list[float]:
        now = time.monotonic()
        return [r.due - now for r in self._restarts.values() if r.due is not None]

    def _pass_on(self, process: SupervisedProcess, output: bytes) -> None:
        if process.log is not None:
            return
        if self._held is not None:
            self._held.append(output)
        else:
            _echo(output)

    def _ended(self, process: SupervisedProcess) -> None:
        restart = self._restarts[process.name]
        # One that asks to be replaced has not crashed.
        quick = process.seconds() < QUICK_SECONDS and process.status != REPLACE
        restart.quick_crashes = restart.quick_crashes + 1 if quick else 0
        if restart.quick_crashes >= QUICK_CRASHES:
            times = f"{process.name} ended {QUICK_CRASHES} times in a row"
            raise SupervisionError(self._last_words(process, times))
        pause = min(LONGEST_PAUSE, self.first_pause * 2**restart.quick_crashes)
        restart.due = time.monotonic() + pause
        say(f"  {process.name} {ending(process.status)}; it starts again in {pause:.1f} s.")

    def _restart_due(self) -> None:
        for name, restart in self._restarts.items():
            if restart.due is not None and time.monotonic() >= restart.due and not self._stopping:
                restart.due = None
                self.start(self.processes[name].spec)

    def _last_words(self, process: SupervisedProcess, failure: str) -> str:
        lines = "\n".join(f"    {line}" for line in process.last_lines)
        said = f"; its last words:\n{lines}" if lines else " without a word"
        status = "" if process.status is None else f" ({ending(process.status)})"
        return f"{failure}{status}{said}"


def _echo(output: bytes) -> None:
    if output:
        with suppress(OSError, ValueError):
            sys.stdout.buffer.write(output)
            sys.stdout.flush()


def ending(status: int | None) -> str:
    """Describe an exit code."""
    if status is not None and status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    if status == REPLACE:
        return "asked to be replaced"
    return f"ended with code {status}"
