"""Moves prices while two loops empty the update queue and are killed again and again; by a test.

Arguments: database name, kills. The queue's time is kept in Valkey and advanced with every move.
Prints the last market value of each position and what the queue counted, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time

import django
from django.conf import settings

from tests.faults.killed_market_workers import stop_worker

CLOCK = "test:queue_time"
START = 1_700_000_000.0
MOVES_A_KILL = 3


def main(database: str, kills: int) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from config.core.redis.client import redis_client
    from portfolio.models import Portfolio, Position
    from portfolio.updates.queue import queue_portfolio_updates
    from portfolio.updates.rules import Priority
    from portfolio.updates.statistics import get_queue_stats

    chance = random.Random()
    positions = list(Position.objects.order_by("pk").values_list("pk", "account__owner_id"))
    portfolios = dict(Portfolio.objects.values_list("owner_id", "pk"))
    now = START
    redis_client().set(CLOCK, now)
    loops = [start_loop(), start_loop()]
    values: dict[int, int] = {}
    moves = kills * MOVES_A_KILL
    kill_at = set(chance.sample(range(moves), kills))
    for number in range(moves):
        pk, owner_id = chance.choice(positions)
        values[pk] = chance.randrange(1, 100_000)
        Position.objects.filter(pk=pk).update(market_value=values[pk])
        priority = chance.choice(list(Priority))
        assert queue_portfolio_updates({portfolios[owner_id]: [str(pk)]}, priority, at=now)
        now += chance.uniform(0.0, 3.0)
        redis_client().set(CLOCK, now)
        time.sleep(chance.uniform(0.0, 0.004))
        if number in kill_at:
            victim = chance.randrange(len(loops))
            stop_worker(loops[victim])
            loops[victim] = start_loop()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        now += 1.0
        redis_client().set(CLOCK, now)
        found = get_queue_stats()
        if not found["pending_updates"] and not found["in_progress"]:
            break
        time.sleep(0.01)
    for loop in loops:
        stop_worker(loop)
    print(json.dumps({"values": values, "counts": get_queue_stats()}))  # noqa: T201


def start_loop() -> int:
    from django.db import connections

    connections.close_all()
    loop = os.fork()
    if loop == 0:
        try:
            work()
        finally:
            os._exit(1)
    return loop


def work() -> None:
    """What the loop does, at the speed of the test's clock."""
    from django.db import OperationalError

    from config.core.redis.client import redis_client
    from portfolio.updates.calculation import recalculate
    from portfolio.updates.queue import claim_due, finish

    while True:
        at = float(str(redis_client().get(CLOCK)))
        claims = claim_due(most=2, at=at).claims
        if not claims:
            time.sleep(0.001)
            continue
        try:
            recalculate([claim.portfolio_id for claim in claims])
        except OperationalError:
            # Locked by the other: the claims lapse, as in the loop.
            continue
        finish(claims, at=at)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
