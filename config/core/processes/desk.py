"""Run the whole desk, or some of its processes, on one machine: ``manage.py demo`` and ``up``.

Shared modules are loaded once here; then the processes are forked, before any thread or connection
exists.
"""

from __future__ import annotations

import gc
import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string

from config.core.processes.allocator import use_up_holes
from config.core.processes.environment import (
    embedded_valkey,
    forget_old_counts,
    metrics_folder,
    private_paths,
    publish_address,
)
from config.core.processes.privacy import make_private
from config.core.processes.process import FORKS, ProcessSpec
from config.core.processes.role import WEB
from config.core.processes.supervisor import StopRequested, SupervisionError, Supervisor, say
from config.core.processes.targets import load_tasks
from config.core.processes.valkey import EmbeddedValkey, NoValkey

TARGETS = "config.core.processes.targets"
CELERY = "config.celery.app"
STREAMS = "config.core.live.streams.registered_streams"
ROLES = (WEB, "worker", "beat", "streams")
# Loaded once and shared by every process.
PRELOADED = (
    "_strptime",
    "config.celery",
    "celery.app.amqp",
    "celery.app.log",
    "celery.app.routes",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.contrib.django.task",
    "celery.events.receiver",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.control",
    "celery.worker.strategy",
    "config.core.ask",
    "config.core.background.scheduler",
    "config.core.live.server",
    "django.core.management.commands.migrate",
    "django_redis.cache",
    "django_redis.client",
    "django_redis.compressors.identity",
    "django_redis.serializers.pickle",
    "httpcore",
    "kombu.transport.redis",
    "scipy.special",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What differs between the commands.

    ``roles`` are the processes to run, by default all. ``before`` start before the data is
    prepared: the simulated providers. ``migrate`` applies migrations; ``steps`` are dotted
    functions with their arguments, run after it. ``loaded`` are modules that the processes share.
    ``health_host`` is a host the web process accepts.
    """

    data: Path
    host: str
    port: int
    roles: tuple[str, ...] = ROLES
    web_processes: int = 1
    before: tuple[ProcessSpec, ...] = ()
    migrate: bool = True
    steps: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    loaded: tuple[str, ...] = ()
    health_host: str = "127.0.0.1"
    echo: bool = False
    ready_lines: tuple[str, ...] = ()

    @property
    def serves_web(self) -> bool:
        return WEB in self.roles


def serve(desk: Desk) -> int:
    """Start everything, print the address, and watch until stopped. Returns the exit code."""
    started = time.monotonic()
    close_to_others(desk.data)
    try:
        with (
            embedded_valkey(desk.data) as valkey,
            listen(desk.host, desk.port) if desk.serves_web else nullcontext() as listener,
            metrics_folder(),
            Supervisor(
                data=desk.data,
                leftovers=private_paths(valkey),
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
        where = f" ({error.filename})" if error.filename else ""
        sys.stderr.write(f"Greekdesk: {error.strerror or error}{where}\n")
        return 1
    return 0


def close_to_others(data: Path) -> None:
    """Make the data folder private, and say what was not."""
    if opened := make_private(data):
        say(
            f"  {opened} files and folders under {data} were open to other users of this "
            "machine. They are private now: change what they may have read."
        )


def listen(host: str, port: int) -> socket.socket:
    """Open the web processes' listening socket. Raises ``SupervisionError`` if the port is
    taken."""
    if not 0 < port < 65536:
        raise SupervisionError(f"port {port} is invalid: give a number from 1 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # Cut off the address in the system's message: it is already named here.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        raise SupervisionError(f"port {port} of {host}: {reason.lower()}.") from None


def _start(
    desk: Desk,
    supervisor: Supervisor,
    listener: socket.socket | None,
    valkey: EmbeddedValkey | None,
) -> None:
    # Only under the supervisor's lock: another desk may be using the same folder.
    forget_old_counts()
    if valkey:
        supervisor.start(ProcessSpec(name="valkey", program=valkey.command(), foundation=True))
    with _step("Loading", supervisor):
        _preload(PRELOADED)
    for spec in desk.before:
        supervisor.start(spec)
    with _step("Database and files", supervisor):
        if valkey:
            supervisor.wait_until(valkey.answers, seconds=20, what="valkey")
            publish_address(valkey, desk.data)
        supervisor.run_once(_preparation(desk), seconds=600)
    with _step(", ".join(desk.roles).capitalize(), supervisor):
        if desk.serves_web:
            # Needs the static files, which it lists when loaded.
            _preload((settings.ROOT_URLCONF, settings.ASGI_APPLICATION.rpartition(".")[0]))
        _preload(desk.loaded)
        load_tasks(CELERY)
        if "streams" in desk.roles:
            import_string(STREAMS)()
        _share_memory()
        descriptor = listener.fileno() if listener else -1
        for spec in processes(desk.roles, descriptor, web_processes=desk.web_processes):
            supervisor.start(spec)
        if desk.serves_web:
            supervisor.wait_until(_healthy(desk), seconds=30, what=WEB)


def _preload(modules: tuple[str, ...]) -> None:
    """Load what every process needs before forking, so the forks share it."""
    for module in modules:
        import_module(module)
    _share_memory()


def _share_memory() -> None:
    """Leave what is loaded where the forks write to least of it."""
    _describe_models()
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise SupervisionError(f"a module started a thread before the fork: {names}.")
    if FORKS:
        gc.collect()
        gc.disable()
        gc.freeze()
        use_up_holes()


def _describe_models() -> None:
    """Write a query of each model, unsent: what Django works out at a model's first one is shared
    by the forks then."""
    for model in apps.get_models():
        str(model._base_manager.filter(pk=None).query)
        str(model._base_manager.all().query)
    # A process's connection has its role's time-outs.
    for connection in connections.all(initialized_only=True):
        del connections[connection.alias]


def _preparation(desk: Desk) -> ProcessSpec:
    steps: list[list[Any]] = []
    if desk.migrate:
        steps.append([f"{TARGETS}.migrate_database", {}])
    if desk.serves_web:
        steps.append([f"{TARGETS}.collect_static_files", {}])
    steps += [[path, dict(options)] for path, options in desk.steps]
    return ProcessSpec(name="preparation", target=f"{TARGETS}:prepare", options={"steps": steps})


def processes(
    roles: Collection[str], descriptor: int, *, web_processes: int = 1
) -> Iterator[ProcessSpec]:
    """Yield the processes of these roles. ``descriptor`` is the web's listening socket."""
    root, _, name = settings.ASGI_APPLICATION.rpartition(".")
    for number in range(1, web_processes + 1) if WEB in roles else ():
        yield ProcessSpec(
            name=WEB if number == 1 else f"{WEB}-{number}",
            target=f"{TARGETS}:serve_web",
            options={"application": f"{root}:{name}", "descriptor": descriptor},
            inherited=(descriptor,),
        )
    for role in ("worker", "beat"):
        if role in roles:
            target = f"{TARGETS}:run_{role}"
            pulse = role == "worker"
            yield ProcessSpec(name=role, target=target, options={"celery": CELERY}, pulse=pulse)
    if "streams" in roles:
        yield ProcessSpec(
            name="streams",
            target=f"{TARGETS}:run_command",
            options={"arguments": ["run_streams"]},
        )


def _healthy(desk: Desk) -> Callable[[], bool]:
    """Return a probe of ``/health``: true once the web process answers 200."""
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
    host = any_address.get(desk.host, desk.host)

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
def _step(name: str, supervisor: Supervisor) -> Iterator[None]:
    """Print one line: its name at the start, its time at the end."""
    started = time.monotonic()
    sys.stdout.write(f"  {name:<28}")
    sys.stdout.flush()
    with supervisor.output_held():
        try:
            yield
        except BaseException:
            say("failed")
            raise
        say(f"{time.monotonic() - started:.1f} s")
