"""``manage.py seed_sessions``: bring the exchange calendar up to date."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from config.core.clock import now
from config.core.commands.command import DeskCommand
from greeks.calendar.exchanges import EXCHANGES
from greeks.calendar.seeding import SeedResult, seed_exchange_sessions


class Command(DeskCommand):
    help = "Seed the trading sessions of whole years. Days edited by hand are left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--exchange", choices=sorted(EXCHANGES), action="append", help="default: all"
        )
        parser.add_argument("--from-year", type=int, help="default: last year")
        parser.add_argument("--to-year", type=int, help="default: next year")
        parser.add_argument("--json", action="store_true", help="for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        year = now().year
        results = [
            seed_exchange_sessions(
                exchange=exchange,
                from_year=options["from_year"] or year - 1,
                to_year=options["to_year"] or year + 1,
            )
            for exchange in options["exchange"] or EXCHANGES
        ]
        if options["json"]:
            self.stdout.write(json.dumps([asdict(result) for result in results]))
            return
        for result in results:
            self.stdout.write(_line(result))


def _line(result: SeedResult) -> str:
    left_alone = (
        f", {result.days_left_alone} days edited by hand left alone"
        if result.days_left_alone
        else ""
    )
    return (
        f"{result.exchange} {result.from_year}–{result.to_year}: {result.created} created, "
        f"{result.updated} updated, {result.deleted} deleted, {result.unchanged} unchanged"
        f"{left_alone}"
    )
