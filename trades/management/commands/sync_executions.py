"""``manage.py sync_executions``: fetch and record the accounts' recent history now."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import day
from config.core.errors import LockHeld
from portfolio.accounts.named import enabled_accounts
from trades.executions.reconcile import reconcile_account
from trades.models import JournalRun


class Command(DeskCommand):
    help = "Record the fills and the other history of all enabled accounts, or of those named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=day, metavar="YYYY-MM-DD", help="look back to this day (UTC)"
        )
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="only this account"
        )
        parser.add_argument("--json", action="store_true", help="one JSON line per account")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        accounts = enabled_accounts(options["account"])
        since = options["since"] and datetime.combine(options["since"], time(), tzinfo=UTC)
        for account in accounts:
            result = _reconcile(account.pk, since)
            self.stdout.write(json.dumps(result) if options["json"] else _sentence(result))
            self.stdout.flush()
            failed += result["outcome"] == JournalRun.Outcome.FAILED
        if failed:
            raise CommandError(f"{failed} of {len(accounts)} accounts were not read.")


def _reconcile(account_id: str, since: datetime | None) -> dict[str, Any]:
    result: dict[str, Any] = {"account_id": account_id}
    try:
        run = reconcile_account(account_id=account_id, since=since)
    except LockHeld:
        return result | {"outcome": "skipped", "error": "Someone else is looking now."}
    return result | {"outcome": run.outcome, "error": run.error, "counts": run.counts}


def _sentence(result: dict[str, Any]) -> str:
    counts = result.get("counts") or {}
    facts = [str(result["outcome"])]
    if counts:
        facts.append(
            f"{counts['received']} rows, {counts['inserted']} new, {counts['existing']} known, "
            f"{counts['quarantined']} in quarantine"
        )
    if result.get("error"):
        facts.append(result["error"])
    return f"{result['account_id']}: {', '.join(facts)}"
