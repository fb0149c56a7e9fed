"""What the supervised processes run: web server, worker, beat, and Django commands.

Applications are named by dotted path, so nothing here imports an app.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

WEBSOCKET_BYTES = 65_536
# The uvicorn release whose internals the front door's protocol is tested with: check it when
# upgrading. Other releases serve the same bytes with their own protocol.
UVICORN = "0.54."
STOP_SECONDS = 2


def serve_web(*, application: str, descriptor: int) -> None:
    """Run the web process: HTTP and websockets on an inherited listening socket."""
    import uvicorn
    from django.conf import settings

    http, websocket = protocols(uvicorn.__version__)
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=http,
        ws=websocket,
        # A page's frames are small; a client sending megabytes is cut off.
        ws_max_size=WEBSOCKET_BYTES,
        ws_per_message_deflate=False,
        # Use the socket's peer address unless a trusted proxy gives another.
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def protocols(release: str) -> tuple[str, str]:
    """Return HTTP's and websockets' for this uvicorn release: the desk's, or uvicorn's own."""
    if not release.startswith(UVICORN):
        return "httptools", "websockets-sansio"
    return (
        "config.core.front_door.server:DeskHttpProtocol",
        "config.core.live.server:DeskWebSocketProtocol",
    )


def load_tasks(celery: str) -> Celery:
    """Return the Celery application with every app's tasks."""
    from django.utils.module_loading import import_string

    application: Celery = import_string(celery)
    application.loader.import_default_modules()
    application.finalize()
    return application


def run_worker(*, celery: str) -> None:
    """Run the Celery worker with a thread pool, as configured.

    Not by Celery's command line: it loads an interactive prompt, 8 MB a process.
    """
    import warnings

    from celery.exceptions import SecurityWarning

    # Celery warns when run as root. JSON tasks execute nothing, and running as root is the
    # operator's choice, as in containers.
    warnings.simplefilter("ignore", SecurityWarning)
    # Workers do not talk to each other: no gossip, mingle or heartbeat messages.
    alone = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
    worker = load_tasks(celery).Worker(loglevel="WARNING", quiet=True, **alone)
    worker.start()
    raise SystemExit(worker.exitcode)


def run_beat(*, celery: str) -> None:
    """Run the scheduler; its state is in the database."""
    load_tasks(celery).Beat(loglevel="WARNING", quiet=True).run()


def run_command(*, arguments: list[str]) -> None:
    """A management command with its arguments."""
    from django.core.management import call_command

    call_command(*arguments)


def prepare(*, steps: list[list[Any]]) -> None:
    """Bring database and static files up to date, then run the desk's own steps in order.

    Each step is a function's dotted path and its keyword arguments.
    """
    from django.utils.module_loading import import_string

    for path, options in steps:
        import_string(path)(**options)


def migrate_database() -> None:
    """Apply migrations; data seeded after them (schedule, calendar) is checked each time."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)


def collect_static_files() -> None:
    """Hash, compress and collect static files, unless unchanged or collected before."""
    import hashlib
    from pathlib import Path

    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    if settings.STATIC_IS_COLLECTED:
        return
    state = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            state.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    root = Path(settings.STATIC_ROOT)
    stamp = root.with_name(root.name + ".stamp")
    if root.is_dir() and stamp.exists() and stamp.read_text() == state.hexdigest():
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=root.is_dir())
    stamp.write_text(state.hexdigest())
