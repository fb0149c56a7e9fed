"""``manage.py warm_cache``: make cached answers ready now."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from config.core.caching.warming import answers_to_warm
from config.core.commands.command import DeskCommand
from config.core.errors import ApplicationError


class Command(DeskCommand):
    help = "Compute the answers that are kept ready, trading-critical ones first, and cache them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--critical", action="store_true", help="only trading-critical answers")
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        warmed: list[str] = []
        failed: dict[str, str] = {}

        def note(resource: str, error: Exception) -> None:
            if isinstance(error, DatabaseError):
                raise error
            failed[resource] = str(error)
            if not options["json"]:
                self.stdout.write(f"{resource}: {error}")

        critical = True if options["critical"] else None
        for each in answers_to_warm(critical=critical, on_failure=note):
            try:
                each.warm()
            except ApplicationError as error:
                failed[each.key] = error.message
            else:
                warmed.append(each.key)
            if not options["json"]:
                self.stdout.write(f"{each.key}: {failed.get(each.key, 'ready')}")
        if options["json"]:
            self.stdout.write(json.dumps({"warmed": warmed, "failed": failed}))
        elif not warmed and not failed:
            self.stdout.write("Nothing is kept ready now.")
        if failed:
            raise CommandError("Not everything could be made ready.")
