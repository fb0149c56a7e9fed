"""Connect brokerage accounts and share them.

``portfolio.accounts.receivers`` keeps the audit trail.
"""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction

from auth_tokens.audit.actor import acting_as
from auth_tokens.models import User
from config.core.errors import Conflict, InvalidInput
from portfolio.brokers.registry import open_adapter
from portfolio.domain import Broker, BrokerAccount
from portfolio.models import Account

# Characters that need no escaping in a URL or a group name.
_ACCOUNT_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
_CURRENCY = re.compile(r"[A-Z]{3,8}")


def connect_account(
    *,
    broker: Broker | str,
    account_number: str,
    owner: User,
    actor: User | None = None,
    label: str = "",
    base_currency: str = "USD",
    simulated: bool = False,
) -> Account:
    """Add an account for syncs to read. ``actor`` is ``None`` on the command line.

    The id is the account number, prefixed by the broker if another broker's account has the same
    number. Raises ``InvalidInput`` naming the fields, ``Conflict`` if it already exists.
    """
    problems: dict[str, str] = {}
    if broker not in list(Broker):
        problems["broker"] = f"one of {', '.join(Broker)}"
    if not _ACCOUNT_NUMBER.fullmatch(account_number):
        problems["account_number"] = "1 to 48 letters, digits, - or _"
    if len(label) > 64 or (label and not label.isprintable()):
        problems["label"] = "at most 64 printable characters"
    if not _CURRENCY.fullmatch(base_currency):
        problems["base_currency"] = "a currency code such as USD"
    if not owner.is_active:
        problems["owner"] = "an active user"
    if problems:
        raise InvalidInput("The account cannot be added.", fields=problems)
    broker = Broker(broker)
    try:
        with acting_as(actor), transaction.atomic():
            if Account.objects.filter(broker=broker, account_number=account_number).exists():
                raise Conflict(f"Account {account_number} of {broker} is already connected.")
            taken = Account.objects.filter(account_id=account_number).exists()
            account = Account(
                account_id=f"{broker}-{account_number}" if taken else account_number,
                broker=broker,
                account_number=account_number,
                label=label,
                owner=owner,
                base_currency=base_currency,
                simulated=simulated,
            )
            account.save(force_insert=True)
            return account
    except IntegrityError as error:
        raise Conflict(f"Account {account_number} was added by someone else just now.") from error


def broker_accounts(*, broker: Broker | str) -> tuple[BrokerAccount, ...]:
    """Ask the broker now which accounts the configured credentials can read.

    Raises the provider errors of ``config.core.errors``.
    """
    adapter = open_adapter(broker)
    try:
        return adapter.fetch_accounts().items
    finally:
        adapter.close()
