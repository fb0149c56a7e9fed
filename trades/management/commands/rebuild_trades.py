"""``manage.py rebuild_trades``: compute all lots and trades again from the executions, and what
contexts of fills lack."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from config.core.commands.command import DeskCommand
from config.core.processes.collecting import no_collecting
from config.core.rows.pages import many_pages
from portfolio.accounts.named import named_accounts
from portfolio.models import Account
from trades.contexts.store import complete_contexts
from trades.lots.store import rebuild_lots
from trades.strategies.store import rebuild_account_trades


class Command(DeskCommand):
    help = (
        "Compute the lots and trades of all accounts, or of those named, again. Fills and notes "
        "are not touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="only this account"
        )
        parser.add_argument("--json", action="store_true", help="one JSON line per account")

    def handle(self, *args: Any, **options: Any) -> None:
        for account in named_accounts(options["account"], Account.objects.all()):
            with no_collecting(), many_pages():
                lots = rebuild_lots(account)
                trades = rebuild_account_trades(account)
            contexts = complete_contexts(account)
            document = {
                "account_id": account.pk,
                "lots": lots,
                "trades": trades,
                "contexts": contexts,
            }
            words = f"{account.pk}: {lots} lots, {trades} trades, {contexts} contexts of fills"
            line = json.dumps(document) if options["json"] else words
            self.stdout.write(line)
