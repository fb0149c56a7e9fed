"""``manage.py sync_flex``: fetch IBKR's statements and record them now."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.errors import ApplicationError
from portfolio.domain import Broker
from portfolio.models import Account
from trades.importing.flex_sync import sync_flex
from trades.models import JournalRun


class Command(BaseCommand):
    help = "Record IBKR's statements from the Flex Web Service: what its other interfaces lack."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=date.fromisoformat, metavar="YYYY-MM-DD", help="from this day on"
        )
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="only this account's rows"
        )
        parser.add_argument("--json", action="store_true", help="one JSON line per statement")

    def handle(self, *args: Any, **options: Any) -> None:
        known = Account.objects.filter(broker=Broker.IBKR.value, pk__in=options["account"])
        unknown = sorted(set(options["account"]) - set(known.values_list("pk", flat=True)))
        if unknown:
            raise CommandError(f"No account at IBKR is named {', '.join(unknown)}.")
        try:
            runs = sync_flex(account_ids=options["account"], since=options["since"])
        except ApplicationError as error:
            raise CommandError(error.message) from error
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
