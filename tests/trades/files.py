"""Recorded exports and statements, and the journal that they give."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from portfolio.models import Account
from tests.factories import AccountFactory
from trades.executions.rows import Recorded
from trades.importing.run import Imported, import_file
from trades.models import TradeLot

ZERO = Decimal(0)


def recorded(name: str) -> bytes:
    """Return a recorded file; the test is skipped where the folder is not there."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    path = folder / name
    if not path.is_file():
        pytest.skip("the recorded payloads are not here")
    return path.read_bytes()


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorded(name))
    return found


def account_at(broker: str, number: str) -> Account:
    return AccountFactory.create(broker=broker, account_number=number, account_id=number)


def take(content: bytes, account: Account | None = None) -> Imported:
    return import_file(content, file_name="file", account=account)


def taken(content: bytes, account: Account | None = None) -> Recorded:
    """Import a file of which each row must be taken, known, quarantined or ignored."""
    found = take(content, account).recorded
    parts = found.inserted + found.existing + found.cancelled + found.quarantined
    assert found.received == parts
    assert found.quarantined == sum(found.reasons.values())
    return found


def net_by_contract(account: Account) -> dict[str, Decimal | None]:
    """Return what each contract realised after costs, to the cent; ``None`` if it is unknown."""
    found: dict[str, Decimal | None] = {}
    for symbol, lots in realized(account).items():
        parts = [lot.net for lot in lots]
        total = None if None in parts else sum((part or ZERO for part in parts), ZERO)
        found[symbol] = None if total is None else total.quantize(Decimal("0.01"))
    return found


def held(account: Account) -> dict[str, Decimal]:
    """Return what is held by the journal, by the symbol of the contract."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for lot in open_lots(account):
        found[lot.instrument.symbol] += lot.quantity
    return dict(found)


def realized(account: Account) -> dict[str, list[TradeLot]]:
    """Return closed lots by the symbol of their contract."""
    found: dict[str, list[TradeLot]] = defaultdict(list)
    lots = TradeLot.objects.filter(account=account, closed_at__isnull=False)
    for closed in lots.select_related("instrument").order_by("closed_at", "id"):
        found[closed.instrument.symbol].append(closed)
    return found


def open_lots(account: Account) -> list[TradeLot]:
    lots = TradeLot.objects.filter(account=account, closed_at__isnull=True)
    return list(lots.select_related("instrument"))


def gross(lots: list[TradeLot]) -> Decimal | None:
    parts = [lot.gross for lot in lots]
    return None if None in parts else sum((part or ZERO for part in parts), ZERO)


def costs(lots: list[TradeLot]) -> Decimal:
    return sum(((lot.open_costs or ZERO) + (lot.close_costs or ZERO) for lot in lots), ZERO)


def open_quantity(account: Account, symbol: str) -> Decimal:
    lots = TradeLot.objects.filter(account=account, instrument__symbol=symbol, closed_at=None)
    return sum((lot.quantity for lot in lots), ZERO)
