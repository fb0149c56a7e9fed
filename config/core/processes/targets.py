"""What the supervised processes run: the web server, the worker, beat, and Django commands.

Composition roots are named by dotted path, so that nothing here imports an app.
"""

from __future__ import annotations

import socket
from typing import Any

WEBSOCKET_BYTES = 65_536
#: The releases whose internals the front door's protocol is tested with: look at it when this one
#: is raised. Any other release serves the same bytes with its own protocol.
UVICORN = "0.54."
STOP_SECONDS = 2
# Without Celery's banner, which would stand between the desk's own lines.
QUIET = ("--quiet",)


def serve_web(*, application: str, descriptor: int) -> None:
    """The web process: HTTP and websockets on an inherited listening socket."""
    import uvicorn
    from django.conf import settings

    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=http_protocol(uvicorn.__version__),
        ws="websockets-sansio",
        # A page's frames are small; a client that sends megabytes is cut off.
        ws_max_size=WEBSOCKET_BYTES,
        ws_per_message_deflate=False,
        # The peer's address is the socket's, unless a proxy that we know tells another.
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def http_protocol(release: str) -> str:
    """What uvicorn of this release speaks HTTP with: the front door's own protocol, or its own."""
    if release.startswith(UVICORN):
        return "config.core.front_door.server:DeskHttpProtocol"
    return "httptools"


def run_worker(*, celery: str) -> None:
    """The worker process: Celery with its pool of threads, as the settings say."""
    import warnings

    from celery.exceptions import SecurityWarning
    from django.utils.module_loading import import_string

    # It warns of the superuser. Tasks travel as JSON, which runs nothing, and who starts the whole
    # desk as root has decided so: containers do.
    warnings.simplefilter("ignore", SecurityWarning)
    # One worker talks to no other: no gossip, no mingle, no heartbeat messages.
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    import_string(celery).worker_main([*QUIET, "worker", "--loglevel", "WARNING", *alone])


def run_beat(*, celery: str) -> None:
    """The scheduler, a process of its own; its state is in the database."""
    from django.utils.module_loading import import_string

    import_string(celery).start([*QUIET, "beat", "--loglevel", "WARNING", "--pidfile", ""])


def run_command(*, arguments: list[str]) -> None:
    """A management command with its arguments."""
    from django.core.management import call_command

    call_command(*arguments)


def prepare(*, steps: list[list[Any]]) -> None:
    """Bring database and static files to what the code says, then run the desk's own steps.

    Each step is a dotted path of a function and its keyword arguments; it runs in this order.
    """
    from django.utils.module_loading import import_string

    for path, options in steps:
        import_string(path)(**options)


def migrate_database() -> None:
    """Apply the migrations; what is seeded after them (schedule, calendar) is checked each time."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)


def collect_static_files() -> None:
    """Hash, compress and collect the static files, unless none has changed since."""
    import hashlib
    from pathlib import Path

    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

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
