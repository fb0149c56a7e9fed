"""``manage.py add_account``: connect a brokerage account to the desk."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from auth_tokens.models import User
from config.core.commands.command import DeskCommand
from config.core.errors import ProviderError
from portfolio.accounts.connecting import broker_accounts, connect_account
from portfolio.domain import Broker, BrokerAccount
from portfolio.models import Account


class Command(DeskCommand):
    help = (
        "Connect an account, once the broker's settings are in the environment. --list shows the "
        "accounts the credentials can read; --number and --owner add one of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", required=True, choices=[b.value for b in Broker])
        parser.add_argument("--list", action="store_true", help="ask the broker for its accounts")
        parser.add_argument("--number", help="the broker's account number")
        parser.add_argument("--owner", help="user name of the person whose account it is")
        parser.add_argument("--label", default="", help="the name shown on the desk")
        parser.add_argument("--currency", help="base currency; the broker's answer by default")
        parser.add_argument(
            "--unchecked",
            action="store_true",
            help="do not ask the broker whether its credentials can read the account",
        )
        parser.add_argument("--json", action="store_true", help="for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        broker = Broker(options["broker"])
        if options["list"]:
            self._list(broker, as_json=options["json"])
            return
        if not options["number"] or not options["owner"]:
            raise CommandError("Name the account with --number and its owner with --owner.")
        owner = User.objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(
                f"No user is named {options['owner']}: make one with createsuperuser."
            )
        listed = None if options["unchecked"] else self._find(broker, options["number"])
        account = connect_account(
            broker=broker,
            account_number=options["number"],
            owner=owner,
            label=options["label"] or (listed.label if listed else ""),
            base_currency=options["currency"] or (listed.base_currency if listed else "USD"),
        )
        if options["json"]:
            self.stdout.write(json.dumps({"account_id": account.account_id}))
        else:
            self.stdout.write(
                f"Account {account.account_id} of {owner.get_username()} is connected. "
                "The next sync reads it."
            )

    def _list(self, broker: Broker, *, as_json: bool) -> None:
        accounts = self._ask(broker)
        connected = set(
            Account.objects.filter(broker=broker).values_list("account_number", flat=True)
        )
        rows = [
            {
                "account_number": account.account_number,
                "label": account.label,
                "base_currency": account.base_currency,
                "connected": account.account_number in connected,
            }
            for account in accounts
        ]
        if as_json:
            self.stdout.write(json.dumps(rows))
            return
        if not rows:
            self.stdout.write(f"The credentials of {broker} can read no account.")
        for row in rows:
            state = "connected" if row["connected"] else "not connected"
            self.stdout.write(
                f"{row['account_number']}\t{row['base_currency']}\t{row['label']}\t{state}"
            )

    def _find(self, broker: Broker, number: str) -> BrokerAccount:
        accounts = self._ask(broker)
        for account in accounts:
            if account.account_number == number:
                return account
        readable = ", ".join(account.account_number for account in accounts) or "none"
        raise CommandError(
            f"The credentials of {broker} cannot read {number}; they can read: {readable}."
        )

    def _ask(self, broker: Broker) -> tuple[BrokerAccount, ...]:
        try:
            return broker_accounts(broker=broker)
        except ProviderError as error:
            said = error.message if error.message.endswith((".", "?")) else f"{error.message}."
            raise CommandError(
                f"The accounts at {broker} could not be read: {said} "
                "Check its settings, or add the account with --unchecked."
            ) from error
