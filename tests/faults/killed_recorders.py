"""Kills processes that record fills, at random moments, and counts after: run by a test.

Arguments: database name, account number, kills. Each process records the same stream in an order
of its own: fills told several times, corrections, cancels that come before or after their fill.
Prints what it did as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django
from django.conf import settings

FILLS = 40
_FIRST = datetime(2026, 2, 5, 15, tzinfo=UTC)


def main(database: str, number: str, kills: int) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from django.db import connections
    from django.db.models import Sum

    from trades.models import QuarantinedExecution, TradeExecution, TradeLot

    started = time.monotonic()
    record(number, seed=0)
    # The first pass is undone, so that kills meet an empty journal too.
    window = 1.5 * (time.monotonic() - started)
    TradeLot.objects.all().delete()
    forget()
    counts: list[int] = []
    for kill in range(kills):
        connections.close_all()
        worker = os.fork()
        if worker == 0:
            record(number, seed=kill + 1)
            os._exit(0)
        time.sleep(random.uniform(0.0, window))
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        rows = TradeExecution.objects.all()
        ids = list(rows.values_list("broker_execution_id", flat=True))
        if len(ids) != len(set(ids)):
            raise SystemExit("a fill was doubled")
        if counts and len(ids) < counts[-1]:
            raise SystemExit("a fill was lost")
        live = rows.filter(superseded=False, cancelled_by="").aggregate(n=Sum("quantity"))["n"]
        lots = TradeLot.objects.filter(closed_at=None).aggregate(n=Sum("quantity"))["n"]
        if live != lots:
            raise SystemExit(f"lots {lots} are not the fills {live} after kill {kill}")
        counts.append(len(ids))
    record(number, seed=-1)
    print(  # noqa: T201
        json.dumps(
            {
                "counts": counts,
                "rows": TradeExecution.objects.count(),
                "live": TradeExecution.objects.filter(superseded=False, cancelled_by="").count(),
                "lots": str(
                    TradeLot.objects.filter(closed_at=None).aggregate(n=Sum("quantity"))["n"]
                ),
                "waiting": QuarantinedExecution.objects.filter(resolved_at=None).count(),
            }
        )
    )


def forget() -> None:
    """Begin with an empty journal."""
    from django.apps import apps

    from trades.models import QuarantinedExecution, TradeExecution

    for model in apps.get_app_config("trades").get_models():
        if model is not TradeExecution and model._meta.managed:
            model._base_manager.all().delete()
    QuarantinedExecution.objects.all().delete()
    TradeExecution.objects.all().delete()


def stream(number: str) -> list[Any]:
    """Return fills 0 to FILLS; every fifth is corrected, every seventh cancelled."""
    from greeks.domain import Contract, InstrumentKind
    from portfolio.domain import (
        Broker,
        BrokerExecution,
        ExecutionCancel,
        ExecutionKind,
        Side,
    )

    contract = Contract(
        kind=InstrumentKind.STOCK,
        symbol="XYZ",
        underlying="XYZ",
        multiplier=Decimal(1),
        currency="USD",
        aliases={"ibkr": "7000"},
    )
    events: list[Any] = []
    for fill in range(FILLS):
        events.extend(
            [
                BrokerExecution(
                    broker=Broker.IBKR,
                    account_number=number,
                    kind=ExecutionKind.TRADE,
                    contract=contract,
                    side=Side.BUY,
                    quantity=Decimal(fill + 1),
                    price=Decimal(10 + revision),
                    execution_time=_FIRST + timedelta(minutes=fill),
                    source="flex",
                    broker_execution_id=f"0000a.{fill}.{revision:02d}",
                    transaction_id=str(1000 * revision + fill),
                )
                for revision in ((1, 2) if fill % 5 == 0 else (1,))
            ]
        )
        if fill % 5 and fill % 7 == 0:
            events.append(
                ExecutionCancel(
                    broker=Broker.IBKR,
                    account_number=number,
                    cancel_id=str(9000 + fill),
                    cancelled_at=_FIRST + timedelta(hours=3),
                    source="flex",
                    transaction_id=str(1000 + fill),
                    raw={
                        "transactionID": str(9000 + fill),
                        "origTransactionID": str(1000 + fill),
                    },
                )
            )
    return events


def record(number: str, *, seed: int) -> None:
    """Record the stream in batches, in an order of the seed's, with each event told twice."""
    from portfolio.domain import Broker, ExecutionCancel
    from trades.executions.rows import JournalRows
    from trades.executions.store import record_rows

    events = stream(number) * 2
    random.Random(seed).shuffle(events)
    while events:
        batch, events = events[:9], events[9:]
        rows = JournalRows()
        for event in batch:
            (rows.cancels if isinstance(event, ExecutionCancel) else rows.executions).append(event)
        record_rows(rows, broker=Broker.IBKR, source="flex")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
