"""``manage.py update_greeks``: force an immediate refresh of the Greeks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from greeks.providers.registry import registered_providers
from portfolio.refresh.forced import BROKER, GreeksUpdate, UpdatedUnderlying, update_greeks


class Command(DeskCommand):
    help = "Fetch the Greeks of held options now, and print what was updated for each underlying."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--account",
            action="append",
            default=[],
            metavar="ID",
            help="only this account's holdings; may be given several times",
        )
        parser.add_argument(
            "--underlying",
            action="append",
            default=[],
            metavar="SYMBOL",
            help="only options on this underlying; may be given several times",
        )
        parser.add_argument(
            "--source",
            choices=(BROKER, *registered_providers()),
            default=BROKER,
            help="the source to ask; broker: each account's own, then the others (default)",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        update = update_greeks(
            account_ids=options["account"],
            underlyings=[symbol.upper() for symbol in options["underlying"]],
            source=options["source"],
        )
        if options["json"]:
            self.stdout.write(json.dumps(asdict(update)))
        else:
            self._show(update)
        if not update.succeeded:
            raise CommandError("Not everything was updated.")

    def _show(self, update: GreeksUpdate) -> None:
        if not update.underlyings and not update.failed:
            self.stdout.write("No options are held.")
        for each in update.underlyings:
            self.stdout.write(_sentence(each))
        for subject, reason in update.failed.items():
            self.stdout.write(f"{subject}: {reason}")
        if update.calls:
            calls = ", ".join(f"{count} to {source}" for source, count in update.calls.items())
            self.stdout.write(f"Calls: {calls}")


def _sentence(updated: UpdatedUnderlying) -> str:
    facts = [f"{count} from {source}" for source, count in sorted(updated.sources.items())]
    if updated.unchanged:
        facts.append(f"{updated.unchanged} unchanged")
    if updated.reason:
        facts.append(f"left out: {updated.reason}")
    noun = "option" if updated.contracts == 1 else "options"
    return f"{updated.underlying}: {updated.contracts} {noun}: {', '.join(facts)}"
