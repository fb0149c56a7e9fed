"""``manage.py sync_regimes``: bring the regimes of the volatility indices up to date."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import day
from trades.contexts.store import complete_regimes
from trades.regimes.sync import RegimesSynced, import_index_file, sync_regimes

_LARGEST_BYTES = 10_000_000


class Command(DeskCommand):
    help = "Fetch the daily closes of volatility indices, or read a file; compute the regimes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, help="a file of daily prices instead of Cboe's")
        parser.add_argument("--symbol", default="", help="the file's index, if its name hides it")
        parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="only from this day on")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path | None = options["file"]
        if path is None:
            done = sync_regimes(since=options["since"])
        else:
            done = import_index_file(
                _read(path), name=path.name, symbol=options["symbol"], since=options["since"]
            )
        complete_regimes()
        self.stdout.write(json.dumps(asdict(done)) if options["json"] else _sentences(done))
        if done.failed and not done.closes:
            raise CommandError("No file was read.")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise CommandError(f"{path.name} is larger than {_LARGEST_BYTES // 1_000_000} MB.")
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise CommandError(f"{path.name} cannot be read: {error.strerror}.") from error


def _sentences(done: RegimesSynced) -> str:
    lines = [f"{symbol}: {count} closes" for symbol, count in done.closes.items()]
    lines += [f"{symbol}: {count} days of regime" for symbol, count in done.days.items()]
    lines += [f"{symbol}: not read. {reason}" for symbol, reason in done.failed.items()]
    if done.rejected:
        lines.append(f"{done.rejected} rows without a day and a close.")
    return "\n".join(lines)
