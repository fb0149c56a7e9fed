"""``manage.py sync_executions``: fetch and record the accounts' recent history now."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.errors import LockHeld
from portfolio.models import Account
from trades.executions.reconcile import reconcile_account
from trades.models import JournalRun


class Command(BaseCommand):
    help = "Record the fills and the other history of all enabled accounts, or of those named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=_day, metavar="YYYY-MM-DD", help="look back to this day (UTC)"
        )
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="only this account"
        )
        parser.add_argument("--json", action="store_true", help="one JSON line per account")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        accounts = self._accounts(list(dict.fromkeys(options["account"])))
        for account_id in accounts:
            result = _reconcile(account_id, options["since"])
            self.stdout.write(json.dumps(result) if options["json"] else _sentence(result))
            self.stdout.flush()
            failed += result["outcome"] == JournalRun.Outcome.FAILED
        if failed:
            raise CommandError(f"{failed} of {len(accounts)} accounts were not read.")

    def _accounts(self, wanted: list[str]) -> list[str]:
        enabled = Account.objects.filter(enabled=True).order_by("pk")
        known = list(enabled.values_list("pk", flat=True))
        unknown = [account_id for account_id in wanted if account_id not in known]
        if unknown:
            raise CommandError(
                f"No enabled account is named {', '.join(unknown)}. "
                f"Enabled accounts: {', '.join(known) or 'none'}."
            )
        if not known:
            raise CommandError("There is no enabled account: add one with add_account.")
        return wanted or known


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


def _day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
