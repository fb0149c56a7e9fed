"""One supervised process: how it starts, its last output, and how it ends."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from config.core.processes.allocator import return_what_is_freed
from config.core.processes.guard import end_group
from config.core.processes.lifeline import Guardian, die_with_parent, show_as
from config.core.processes.pulse import hand_over
from config.core.processes.role import WEB, adopt_role

LAST_LINES = 20
LOG_FILE_BYTES = 2_000_000
# Forks share memory on Linux; elsewhere system libraries do not survive a fork.
FORKS = sys.platform.startswith("linux")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A process by name: one of our functions (``package.module:function``) or a program.

    ``options`` are the function's keyword arguments, plain JSON values: without a safe fork they
    are passed on a command line. ``inherited`` are file descriptors it keeps. ``once``: it runs to
    its end and is not restarted. ``foundation``: others depend on it, so it is stopped after them.
    ``pulse``: it sends one, and is killed when that stops.
    """

    name: str
    target: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    program: tuple[str, ...] = ()
    inherited: tuple[int, ...] = ()
    once: bool = False
    foundation: bool = False
    pulse: bool = False

    @property
    def role(self) -> str:
        return WEB if self.name.startswith(WEB) else self.name


class LogFile:
    """A process's log under the data folder, rotated over two files to stay small."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: bytes) -> None:
        # A full disk must not stop the supervisor: memory keeps the last lines.
        with suppress(OSError):
            if self.path.exists() and self.path.stat().st_size > LOG_FILE_BYTES:
                self.path.replace(self.path.with_suffix(".old.log"))
            with self.path.open("ab") as file:
                file.write(text)


class SupervisedProcess:
    """A running process in a process group of its own, its output read through a pipe."""

    def __init__(self, spec: ProcessSpec, *, guardian: Guardian, log: LogFile | None) -> None:
        self.spec = spec
        self.log = log
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.started = time.monotonic()
        self.status: int | None = None
        self._guardian = guardian
        self._rest = b""
        self.output, writer = os.pipe()
        self._pulse, pulse_writer = os.pipe()
        self._pulsed: float | None = None
        for descriptor in (self.output, self._pulse, pulse_writer):
            os.set_blocking(descriptor, False)
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(spec, parent=parent, writer=writer, pulse=pulse_writer)
        # Both sides set the group, so it exists whichever runs first.
        with suppress(OSError):
            os.setpgid(self.pid, self.pid)
        os.close(writer)
        os.close(pulse_writer)
        guardian.watch(self.pid)

    @property
    def name(self) -> str:
        return self.spec.name

    def read_output(self) -> bytes:
        """Read new output; keep the last lines and write the log."""
        taken = b""
        with suppress(BlockingIOError, OSError):
            while chunk := os.read(self.output, 65536):
                taken += chunk
        if taken:
            if self.log:
                self.log.write(taken)
            *lines, self._rest = (self._rest + taken).split(b"\n")
            self.last_lines.extend(line.decode(errors="replace") for line in lines if line.strip())
        return taken

    def poll(self) -> int | None:
        """Return the exit code if it has ended (negative: the signal), else None."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.read_output()
                # End what it started too.
                end_group(self.pid, signal.SIGKILL)
                self._guardian.forget(self.pid)
                os.close(self.output)
                os.close(self._pulse)
        return self.status

    def silence(self) -> float:
        """Return the seconds since its last pulse; 0 if it has sent none or need not."""
        if not self.spec.pulse or self.status is not None:
            return 0.0
        with suppress(BlockingIOError, OSError):
            if os.read(self._pulse, 65536):
                self._pulsed = time.monotonic()
        return 0.0 if self._pulsed is None else time.monotonic() - self._pulsed

    def end(self, signal_number: int = signal.SIGTERM) -> None:
        if self.status is None:
            end_group(self.pid, signal_number)

    def seconds(self) -> float:
        return time.monotonic() - self.started


def _become(spec: ProcessSpec, *, parent: int, writer: int, pulse: int) -> NoReturn:
    """In the forked child: drop the supervisor's state and start the spec's process."""
    code = 1
    try:
        os.setpgid(0, 0)
        # A server that can save its data is asked to; our processes have nothing to save.
        die_with_parent(parent, signal.SIGTERM if spec.program else signal.SIGKILL)
        show_as(f"desk-{spec.name}")
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        silent = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((silent, 0), (writer, 1), (writer, 2)):
            os.dup2(ours, theirs)
        _close_all_but(tuple(sorted((*spec.inherited, *((pulse,) if spec.pulse else ())))))
        os.environ["PROCESS_ROLE"] = spec.role
        if spec.pulse:
            hand_over(pulse)
        if spec.program:
            os.execv(spec.program[0], spec.program)  # noqa: S606
        if not FORKS:
            child = [sys.executable, "-m", "config.core.processes.child", spec.role]
            child += [spec.target, json.dumps(dict(spec.options))]
            os.execv(child[0], child)  # noqa: S606
        gc.enable()
        code = run_target(spec.role, spec.target, spec.options)
    except BaseException:  # noqa: BLE001 - nothing may return into the supervisor's code
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _close_all_but(inherited: tuple[int, ...]) -> None:
    """Close the supervisor's lock, its pipes, the guardian's and others' sockets."""
    first = 3
    for kept in sorted(inherited):
        os.closerange(first, kept)
        os.set_inheritable(kept, True)
        first = kept + 1
    os.closerange(first, max(first, os.sysconf("SC_OPEN_MAX")))


def run_target(role: str, target: str, options: Mapping[str, Any]) -> int:
    """Call the process's function. Returns the exit code."""
    adopt_role(role)
    return_what_is_freed()
    module, _, name = target.partition(":")
    try:
        getattr(import_module(module), name)(**options)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(ended.code + "\n")
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0
