"""``manage.py clear_cache PATTERN``: remove cached answers."""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.management.base import CommandParser

from config.core.caching.invalidation import clear_cache
from config.core.commands.command import DeskCommand


class Command(DeskCommand):
    help = "Remove the cached answers whose keys match a pattern, such as 'gex:*'."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "pattern", metavar="PATTERN", help="a shell pattern over keys; '*' is everything"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        event = clear_cache(options["pattern"], triggered_by="manage.py clear_cache")
        if options["json"]:
            self.stdout.write(msgspec.json.encode(event).decode())
            return
        for key in event.affected_keys:
            self.stdout.write(key)
        noun = "answer" if event.removed == 1 else "answers"
        self.stdout.write(f"Removed {event.removed} {noun}.")
