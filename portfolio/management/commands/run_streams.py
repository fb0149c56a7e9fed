"""``manage.py run_streams``: the process of long-lived streams and sessions."""

from __future__ import annotations

import asyncio
from typing import Any

from config.core.commands.command import DeskCommand
from config.core.live.streams import registered_streams, run_streams


class Command(DeskCommand):
    help = "Run every registered stream until TERM or Ctrl-C."
    serves = True

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("Streams: " + ", ".join(registered_streams()))
        self.stdout.flush()
        asyncio.run(run_streams())
