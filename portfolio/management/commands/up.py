"""``manage.py up``: the processes of a real desk on this machine, without the simulated market."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.process_role import WEB
from config.core.supervision.desk import ROLES, Desk, serve
from config.core.supervision.environment import is_prepared, start_anew


class Command(BaseCommand):
    help = (
        "Serve the desk: web, worker and beat; DATABASE_URL, REDIS_URL and CACHE_URL where they "
        "are set, the embedded SQLite and Valkey where not. Ctrl-C or TERM stops everything."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--web-processes", type=int, default=1)
        parser.add_argument(
            "--only",
            choices=ROLES,
            action="append",
            help="run this process and leave the others, and the migrations, to other machines; "
            "repeatable",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEMO:
            raise CommandError("DEMO has a known log-in: use `manage.py demo`, on loopback.")
        if options["web_processes"] < 1:
            raise CommandError("--web-processes: at least 1.")
        if options["only"] and not (settings.DATABASE_URL and os.environ.get("REDIS_URL")):
            raise CommandError("--only: processes apart need a DATABASE_URL and a REDIS_URL.")
        if not is_prepared():
            start_anew({"WEBSOCKET_ORIGINS": ",".join(self._origins(options))}, data=self._data())
        hosts = [host for host in settings.ALLOWED_HOSTS if not host.startswith((".", "*"))]
        code = serve(
            Desk(
                data=self._data(),
                host=options["host"],
                port=options["port"],
                web_processes=options["web_processes"],
                roles=tuple(options["only"] or ROLES),
                migrate=not options["only"],
                health_host=hosts[0] if hosts else options["host"],
                echo=True,
                ready_lines=self._ready_lines(options),
            )
        )
        if code:
            raise SystemExit(code)

    def _data(self) -> Path:
        return Path(settings.VAR_DIR)

    def _ready_lines(self, options: dict[str, Any]) -> tuple[str, ...]:
        if options["only"] and WEB not in options["only"]:
            return ()
        return (f"  Greekdesk  http://{options['host']}:{options['port']}",)

    def _origins(self, options: dict[str, Any]) -> list[str]:
        """Where websockets may come from: as configured, else the address served here."""
        port = options["port"]
        return settings.WEBSOCKET_ORIGINS or [
            f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")
        ]
