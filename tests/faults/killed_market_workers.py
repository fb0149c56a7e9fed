"""Polls a session with two workers, one of which is killed again and again: run by a test.

Arguments: database name, minutes, kills. The market's time is kept in Valkey and advanced slot by
slot as soon as the slot has its sample, or after a moment when its worker died. Both workers race
for every slot and every minute, without locks. Prints what it did as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from datetime import datetime, timedelta

import django
from django.conf import settings

CLOCK = "test:market_time"
FIVE_SECONDS = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
# A slot whose worker died gets no sample: the session goes on without it.
PATIENCE = 0.1


def main(database: str, minutes: int, kills: int) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from config.core.redis.client import redis_client
    from greeks.polling.samples import last_slot
    from tests.greeks.scripted import EXPIRY, OPENS

    ends = OPENS + minutes * MINUTE
    slots = [OPENS + number * FIVE_SECONDS for number in range((ends - OPENS) // FIVE_SECONDS)]
    kill_at = set(random.sample(range(len(slots)), kills))
    workers = [start_worker(), start_worker()]
    for number, slot in enumerate(slots):
        redis_client().set(CLOCK, slot.isoformat())
        if number in kill_at:
            time.sleep(random.uniform(0.0, 0.006))
            victim = random.randrange(len(workers))
            stop_worker(workers[victim])
            workers[victim] = start_worker()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            newest = last_slot("nifty-50", EXPIRY)
            if newest is not None and newest.slot >= slot:
                break
            time.sleep(0.0005)
    # The clock's next messages: somebody rolls the last minute up.
    for later in (ends, ends + MINUTE):
        redis_client().set(CLOCK, later.isoformat())
        time.sleep(1.0)
    for worker in workers:
        stop_worker(worker)
    print(json.dumps({"slots": len(slots), "kills": len(kill_at)}))  # noqa: T201


def start_worker() -> int:
    from django.db import connections

    connections.close_all()
    worker = os.fork()
    if worker == 0:
        try:
            work()
        finally:
            os._exit(1)
    return worker


def stop_worker(worker: int) -> None:
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)


def work() -> None:
    """What the tasks do, at the speed of the test's clock."""
    from config.core.redis.client import redis_client
    from greeks.minutes.roll_up import roll_up_due
    from greeks.polling import providers as chain_providers
    from greeks.polling.poll import poll_chain
    from greeks.polling.slots import DuePoll, claim_due_polls
    from greeks.signals import minute_closed
    from tests.greeks.scripted import OPENS, ScriptedProvider

    # What others make of a minute is their tests' matter, and would take most of the time.
    minute_closed.receivers = []
    clock: list[datetime] = [OPENS]
    provider = ScriptedProvider(lambda: clock[0], options={"strikes": 8})
    setattr(chain_providers, "open_chain_provider", lambda _: provider)  # noqa: B010
    looked: datetime | None = None
    claimed: list[DuePoll] = []
    while True:
        at = datetime.fromisoformat(str(redis_client().get(CLOCK)))
        if at == looked:
            time.sleep(0.0005)
            continue
        claimed += claim_due_polls(at)
        for due in [each for each in claimed if each.slot <= at]:
            claimed.remove(due)
            clock[0] = due.slot
            poll_chain(
                slug=due.slug, expiry=due.expiry, slot=due.slot, every_seconds=due.every_seconds
            )
        if looked is None or at.replace(second=0) != looked.replace(second=0):
            roll_up_due(at=at)
        looked = at


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
