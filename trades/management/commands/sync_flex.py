"""``manage.py sync_flex``: fetch IBKR's statements and record them now."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import day
from portfolio.accounts.named import named_accounts
from portfolio.domain import Broker
from portfolio.models import Account
from trades.importing.flex_sync import sync_flex
from trades.models import JournalRun


class Command(DeskCommand):
    help = "Record IBKR's statements from the Flex Web Service: what its other interfaces lack."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="from this day on")
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="only this account's rows"
        )
        parser.add_argument("--json", action="store_true", help="one JSON line per statement")

    def handle(self, *args: Any, **options: Any) -> None:
        at_ibkr = Account.objects.filter(broker=Broker.IBKR.value)
        named_accounts(options["account"], at_ibkr, kind="account at IBKR")
        runs = sync_flex(account_ids=options["account"], since=options["since"])
        for run in runs:
            self.stdout.write(json.dumps(_document(run)) if options["json"] else _sentence(run))
        if runs[-1].outcome == JournalRun.Outcome.FAILED:
            raise CommandError(runs[-1].error)


def _document(run: JournalRun) -> dict[str, Any]:
    return {
        "run_id": str(run.pk),
        "days": run.file_name,
        "outcome": run.outcome,
        "error_code": run.error_code,
        "error": run.error,
        "counts": run.counts,
    }


def _sentence(run: JournalRun) -> str:
    if not run.counts:
        return f"{run.file_name}: {run.outcome}, {run.error}"
    counts = run.counts
    return (
        f"{run.file_name}: {run.outcome}, {counts['received']} rows, {counts['inserted']} new, "
        f"{counts['existing']} known, {counts['quarantined']} in quarantine"
    )
