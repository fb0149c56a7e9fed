"""``manage.py sync_portfolio``: fetch the books from the brokers now."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.errors import LockHeld, NotFound
from portfolio.accounts.named import enabled_accounts
from portfolio.models import Account, SyncRun
from portfolio.sync.run import sync_account

_BAR_WIDTH = 24


class Command(DeskCommand):
    help = "Sync all enabled accounts, or those named, and print each result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--account",
            action="append",
            default=[],
            metavar="ID",
            help="only this account; may be given several times",
        )
        parser.add_argument(
            "--watch",
            action="store_true",
            help="repeat at each account's own interval until Ctrl-C",
        )
        parser.add_argument(
            "--json", action="store_true", help="one JSON line per run, for scripts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["account"]
        if options["watch"]:
            self._watch(wanted, as_json=options["json"])
            return
        accounts = enabled_accounts(wanted)
        failed = self._sync(accounts, as_json=options["json"])
        if failed:
            raise CommandError(f"{failed} of {len(accounts)} accounts were not synced.")

    def _watch(self, wanted: Sequence[str], *, as_json: bool) -> None:
        due: dict[str, float] = {}
        while True:
            accounts = enabled_accounts(wanted)
            moment = time.monotonic()
            ready = [a for a in accounts if due.get(a.account_id, 0.0) <= moment]
            for account in ready:
                due[account.account_id] = moment + account.sync_seconds
            self._sync(ready, as_json=as_json)
            waits = [due[a.account_id] - time.monotonic() for a in accounts]
            time.sleep(max(0.1, min(waits, default=settings.BRIDGE_POLL_INTERVAL)))

    def _sync(self, accounts: Sequence[Account], *, as_json: bool) -> int:
        """Sync one after the other; return how many failed. A failure does not stop the rest."""
        failed = 0
        for number, account in enumerate(accounts, start=1):
            self._show_bar(number - 1, len(accounts), account.account_id)
            result = self._sync_one(account)
            self._clear_bar()
            if as_json:
                self.stdout.write(json.dumps(result))
            else:
                self.stdout.write(_sentence(result))
            # A pipe would buffer the lines of --watch for hours.
            self.stdout.flush()
            failed += result["outcome"] == SyncRun.Outcome.FAILED
        return failed

    def _sync_one(self, account: Account) -> dict[str, Any]:
        result: dict[str, Any] = {"account_id": account.account_id, "run_id": None}
        try:
            run = sync_account(account_id=account.account_id, trigger=SyncRun.Trigger.COMMAND)
        except LockHeld:
            # The other process does the work; nothing failed.
            return result | {"outcome": "skipped", "error": "Someone else is syncing it now."}
        except NotFound as error:
            return result | {"outcome": SyncRun.Outcome.FAILED.value, "error": error.message}
        return result | {
            "run_id": str(run.pk),
            "outcome": run.outcome,
            "error_code": run.error_code,
            "error": run.error,
            "counts": run.counts,
        }

    def _show_bar(self, done: int, total: int, account_id: str) -> None:
        if not sys.stderr.isatty():
            return
        filled = _BAR_WIDTH * done // total
        bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
        self.stderr.write(f"\r\x1b[K[{bar}] {done}/{total} {account_id}", ending="")
        self.stderr.flush()

    def _clear_bar(self) -> None:
        if sys.stderr.isatty():
            self.stderr.write("\r\x1b[K", ending="")


def _sentence(result: dict[str, Any]) -> str:
    counts = result.get("counts") or {}
    facts = [str(result["outcome"])]
    if "positions_stored" in counts:
        facts.append(f"{counts['positions_stored']} positions")
    if counts.get("positions_quarantined"):
        facts.append(f"{counts['positions_quarantined']} rows in quarantine")
    if counts.get("options_without_greeks"):
        facts.append(f"{counts['options_without_greeks']} without Greeks")
    if result.get("error"):
        facts.append(result["error"])
    return f"{result['account_id']}: {', '.join(facts)}"
