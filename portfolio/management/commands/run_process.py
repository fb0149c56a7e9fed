"""``manage.py run_process ROLE``: one process of a real desk, that something else keeps running."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import port
from config.core.processes.alone import run_alone
from config.core.processes.desk import ROLES
from config.core.processes.role import WEB
from config.core.processes.supervisor import SupervisionError
from config.core.serving.metrics import metrics_server


class Command(DeskCommand):
    help = (
        "Run one process of the desk by itself, for containers and service managers, which start "
        "it again when it ends. Needs DATABASE_URL and REDIS_URL, and `migrate` run before."
    )
    requires_system_checks: list[str] = []
    serves = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", choices=ROLES)
        parser.add_argument("--host", default="127.0.0.1", help="where web listens")
        parser.add_argument("--port", type=port, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEMO:
            raise CommandError("DEMO has a known log-in: use `manage.py demo`, on loopback.")
        if not (settings.DATABASE_URL and os.environ.get("REDIS_URL")):
            raise CommandError("separate processes need a DATABASE_URL and a REDIS_URL.")
        role = options["role"]
        try:
            if role != WEB and settings.METRICS_PORT:
                server = metrics_server(settings.METRICS_HOST, settings.METRICS_PORT)
                Thread(target=server.serve_forever, name="metrics", daemon=True).start()
            code = run_alone(
                role,
                data=Path(settings.VAR_DIR),
                host=options["host"],
                port=options["port"],
            )
        except (SupervisionError, OSError) as error:
            raise CommandError(str(error)) from error
        if code:
            raise SystemExit(code)
