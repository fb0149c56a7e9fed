"""``manage.py up``: the processes of a real desk on this machine, without the simulated market."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import port
from config.core.processes.desk import Desk, serve
from config.core.processes.environment import is_prepared
from portfolio.management.loaded import LOADED


class Command(DeskCommand):
    help = (
        "Serve the desk: web, worker, beat and streams. Uses DATABASE_URL, REDIS_URL and CACHE_URL "
        "if set, else the embedded SQLite and Valkey. Ctrl-C or TERM stops everything."
    )
    requires_system_checks: list[str] = []
    serves = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=port, default=8000)
        parser.add_argument("--web-processes", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_prepared():
            raise CommandError(
                "start it as `manage.py up`: it prepares the environment before Django loads."
            )
        if settings.DEMO:
            raise CommandError("DEMO has a known log-in: use `manage.py demo`, on loopback.")
        if options["web_processes"] < 1:
            raise CommandError("--web-processes: at least 1.")
        host, port = options["host"], options["port"]
        names = [name for name in settings.ALLOWED_HOSTS if not name.startswith((".", "*"))]
        code = serve(
            Desk(
                data=Path(settings.VAR_DIR),
                host=host,
                port=port,
                web_processes=options["web_processes"],
                loaded=LOADED,
                health_host=names[0] if names else host,
                echo=True,
                ready_lines=(f"  Greekdesk  http://{host}:{port}",),
            )
        )
        if code:
            raise SystemExit(code)
