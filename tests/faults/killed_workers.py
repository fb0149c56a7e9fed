"""Kills syncing workers at random moments and checks the book after each: run by a test.

Arguments: database name, account id, kills. Each worker syncs books whose every position has the
quantity of the version that it makes, so a torn book shows. Prints what it did as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from decimal import Decimal

import django
from django.conf import settings


def main(database: str, account_id: str, kills: int) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from django.db import connections

    from config.core.redis.client import redis_client
    from portfolio.models import Account, AccountHistory, Position, SyncRun

    window = 2.5 * undisturbed_seconds(account_id)
    versions, lost = [], 0
    for _ in range(kills):
        # A dead worker's lock runs out by itself; here the wait is cut short.
        redis_client().flushdb()
        connections.close_all()
        worker = os.fork()
        if worker == 0:
            work(account_id, for_ever=True)
        time.sleep(random.uniform(0.0, window))
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        version = Account.objects.get(pk=account_id).book_version
        quantities = set(Position.objects.values_list("quantity", flat=True))
        if version and quantities != {Decimal(version)}:
            raise SystemExit(f"torn book: version {version}, quantities {quantities}")
        done = SyncRun.objects.filter(outcome=SyncRun.Outcome.SUCCEEDED).count()
        if done != version:
            raise SystemExit(f"{done} runs succeeded, but the version is {version}")
        if version and not AccountHistory.objects.exists():
            raise SystemExit("a book without its minute")
        versions.append(version)
        lost = SyncRun.objects.filter(error_code="worker_lost").count()
    print(json.dumps({"versions": versions, "lost": lost}))  # noqa: T201


def undisturbed_seconds(account_id: str) -> float:
    """Return how long a fresh worker takes for its first sync on this machine."""
    from django.db import connections

    connections.close_all()
    started = time.monotonic()
    worker = os.fork()
    if worker == 0:
        work(account_id, for_ever=False)
        os._exit(0)
    os.waitpid(worker, 0)
    return time.monotonic() - started


def work(account_id: str, *, for_ever: bool) -> None:
    from portfolio.models import Account, SyncRun
    from portfolio.sync import fetch as sync_fetch
    from portfolio.sync import run as sync
    from tests.portfolio.books import FakeAdapter, FakeBroker, option, position

    broker = FakeBroker()
    for module in (sync, sync_fetch):
        setattr(module, "open_adapter", lambda _: FakeAdapter(broker))  # noqa: B010
    contracts = [option(500 + strike) for strike in range(20)]
    again = True
    while again:
        again = for_ever
        version = Account.objects.get(pk=account_id).book_version + 1
        broker.positions = [position(contract, version) for contract in contracts]
        sync.sync_account(account_id=account_id, trigger=SyncRun.Trigger.SCHEDULE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
