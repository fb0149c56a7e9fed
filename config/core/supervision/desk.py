"""The whole desk on one machine: what ``manage.py demo`` and ``manage.py up`` share.

Settings are read once, when Django loads. So a command first decides everything that they depend
on (where the embedded Valkey listens, which ports), puts it into the environment and starts itself
anew with it; the second time it loads Django, freezes what is loaded and forks every process from
there, so that they share its memory.
"""

from __future__ import annotations

import gc
import http.client
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings

from config.core.supervision.lifeline import remove
from config.core.supervision.processes import FORKS, ProcessSpec
from config.core.supervision.valkey import EmbeddedValkey, NoValkey
from config.core.supervisor import StopRequested, SupervisionError, Supervisor, say

PREPARED = "GREEKDESK_PREPARED"
VALKEY_SOCKET = "GREEKDESK_VALKEY_SOCKET"
# Several threads of a linear algebra library break fork and cost memory; a book is small.
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
TARGETS = "config.core.supervision.targets"
CELERY = "config.celery.app"
# Loaded once and shared by every process.
PRELOADED = (
    "config.celery",
    "celery.apps.beat",
    "celery.apps.worker",
    "django.core.management.commands.migrate",
    "django_celery_beat.schedulers",
    "kombu.transport.redis",
    "scipy.special",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What differs between the commands."""

    data: Path
    host: str
    port: int
    web_processes: int = 1
    # Processes that are up before the data is prepared: the simulated providers.
    before: tuple[ProcessSpec, ...] = ()
    # Dotted functions with their arguments, run after the migrations.
    steps: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    # Hosts that the web process answers to: the health check asks by the first.
    health_host: str = "127.0.0.1"
    echo: bool = False
    ready_lines: tuple[str, ...] = ()


def is_prepared() -> bool:
    """Whether this process was started anew with everything decided."""
    return bool(os.environ.get(PREPARED))


def start_anew(environment: Mapping[str, str], *, data: Path) -> NoReturn:
    """Run the same command line again in the prepared environment."""
    prepared = dict(os.environ) | dict(environment) | dict.fromkeys(ONE_THREAD, "1")
    prepared[PREPARED] = "1"
    if not prepared.get("REDIS_URL"):
        valkey = EmbeddedValkey.in_private_folder(data / "valkey")
        prepared |= {VALKEY_SOCKET: str(valkey.socket), "REDIS_URL": valkey.url()}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.argv], prepared)  # noqa: S606


def listen(host: str, port: int) -> socket.socket:
    """The web processes' listening socket. Raises ``SupervisionError`` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SupervisionError(f"port {port} of {host}: {reason.lower()}.") from None


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def embedded_valkey(desk: Desk) -> Iterator[EmbeddedValkey | None]:
    """The embedded server that belongs to this desk, if any; its private folder goes with it."""
    path = os.environ.get(VALKEY_SOCKET, "")
    if not path:
        yield None
        return
    valkey = EmbeddedValkey(socket=Path(path), data=desk.data / "valkey")
    try:
        yield valkey
    finally:
        remove((valkey.socket.parent,))


def publish_address(valkey: EmbeddedValkey, data: Path) -> None:
    """Write the server's address where settings of other commands look for it.

    A link into the private folder: it leads nowhere as soon as the server is gone.
    """
    address = valkey.socket.with_name("redis_url")
    address.write_text(valkey.url())
    link = data / "redis_url"
    link.unlink(missing_ok=True)
    link.symlink_to(address)


def serve(desk: Desk) -> int:
    """Start everything, say where it is, and watch it until somebody stops it."""
    started = time.monotonic()
    try:
        with (
            embedded_valkey(desk) as valkey,
            listen(desk.host, desk.port) as listener,
            Supervisor(
                data=desk.data,
                leftovers=(valkey.socket.parent,) if valkey else (),
                echo=desk.echo,
            ) as supervisor,
        ):
            try:
                _start(desk, supervisor, listener, valkey)
                say(f"  Ready after {time.monotonic() - started:.1f} s.")
                for line in desk.ready_lines:
                    say(line)
                supervisor.watch()
                say("  Stopping.")
            except StopRequested:
                say("  Stopped while starting.")
    except (SupervisionError, NoValkey) as error:
        sys.stderr.write(f"Greekdesk: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"Greekdesk: {error.strerror}: {error.filename}\n")
        return 1
    return 0


def _start(
    desk: Desk, supervisor: Supervisor, listener: socket.socket, valkey: EmbeddedValkey | None
) -> None:
    if valkey:
        supervisor.start(ProcessSpec(name="valkey", program=valkey.command()))
    with _step("Loading"):
        _preload(PRELOADED)
    for spec in desk.before:
        supervisor.start(spec)
    with _step("Database and files"):
        if valkey:
            supervisor.wait_until(valkey.answers, seconds=20, what="valkey")
            publish_address(valkey, desk.data)
        supervisor.run_once(_preparation(desk), seconds=600)
    with _step("Web, worker, beat"):
        # It lists the static files when it is loaded, so it comes after them.
        _preload((settings.ROOT_URLCONF, settings.ASGI_APPLICATION.rpartition(".")[0]))
        for spec in _processes(desk, listener.fileno()):
            supervisor.start(spec)
        supervisor.wait_until(_healthy(desk), seconds=30, what="web")


def _preload(modules: tuple[str, ...]) -> None:
    """Load what every process needs and set it aside, so that forks share it."""
    for module in modules:
        import_module(module)
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise SupervisionError(f"a module started a thread before the fork: {names}.")
    if FORKS:
        gc.collect()
        gc.disable()
        gc.freeze()


def _preparation(desk: Desk) -> ProcessSpec:
    ours: list[list[Any]] = [
        [f"{TARGETS}.migrate_database", {}],
        [f"{TARGETS}.collect_static_files", {}],
    ]
    steps = ours + [[path, dict(options)] for path, options in desk.steps]
    return ProcessSpec(name="preparation", target=f"{TARGETS}:prepare", options={"steps": steps})


def _processes(desk: Desk, descriptor: int) -> Iterator[ProcessSpec]:
    root, _, name = settings.ASGI_APPLICATION.rpartition(".")
    options = {"application": f"{root}:{name}", "descriptor": descriptor}
    for number in range(1, desk.web_processes + 1):
        yield ProcessSpec(
            name="web" if number == 1 else f"web-{number}",
            target=f"{TARGETS}:serve_web",
            options=options,
            inherited=(descriptor,),
        )
    celery = {"celery": CELERY}
    yield ProcessSpec(name="worker", target=f"{TARGETS}:run_worker", options=celery)
    yield ProcessSpec(name="beat", target=f"{TARGETS}:run_beat", options=celery)


def _healthy(desk: Desk) -> Callable[[], bool]:
    """A question to ``/health``: true once the web process answers it with 200."""
    host = "127.0.0.1" if desk.host in ("0.0.0.0", "") else desk.host  # noqa: S104
    host = "::1" if host == "::" else host

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, desk.port, timeout=2)
        try:
            connection.request("GET", "/health", headers={"Host": desk.health_host})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    sys.stdout.write(f"  {name:<22}")
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        say("failed")
        raise
    say(f"{time.monotonic() - started:.1f} s")
