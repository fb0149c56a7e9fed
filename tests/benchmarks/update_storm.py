"""*update storm*: 1,000 held symbols that move each second in 100 portfolios, by the real loop.

The process is a streams process without its sockets: it publishes what a stream would bring, stores
the prices, and runs the loop of the update queue. Its own processor time is what is measured.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row

SYMBOLS, PORTFOLIOS, ACCOUNTS = 1_000, 100, 10
STORM_SECONDS = 60.0
QUIET_SECONDS = 30.0
_SETTLING_SECONDS = 5.0


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.update_storm:measure_here", environment, options)


def measure_here(_options: Options) -> list[Row]:
    import gc

    from django.db import connections
    from django.db.backends.signals import connection_created

    snapshots = _book()
    asked = [0]

    def count(execute: Any, *arguments: Any) -> Any:
        asked[0] += 1
        return execute(*arguments)

    def watch(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(count)

    connection_created.connect(watch)
    connections.close_all()
    # As the supervisor does before it forks: what is loaded is looked through no more.
    gc.collect()
    gc.freeze()
    return asyncio.run(_measured(snapshots, asked))


async def _measured(snapshots: list[Any], asked: list[int]) -> list[Row]:
    from portfolio.streams.publishing import keep_prices_stored
    from portfolio.streams.updates import UpdateLoop
    from portfolio.updates.statistics import get_queue_stats

    loops = [asyncio.create_task(UpdateLoop().run()), asyncio.create_task(keep_prices_stored())]
    await asyncio.sleep(_SETTLING_SECONDS)
    quiet = await _share(QUIET_SECONDS, snapshots, moving=False)
    before, queries = get_queue_stats(), asked[0]
    storm = await _share(STORM_SECONDS, snapshots, moving=True)
    queries = asked[0] - queries
    after = get_queue_stats()
    for loop in loops:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop
    computed = after["finished"] - before["finished"]
    book = f"{SYMBOLS:,} symbols moving each second in {PORTFOLIOS} portfolios"
    return [
        Row(
            name=f"update storm: processor time of {book}",
            measured=storm,
            bar=5.0,
            unit="% of a core",
            note=f"{computed / STORM_SECONDS:.1f} totals and {queries / STORM_SECONDS:.0f} queries "
            f"a second; {after['deferred'] - before['deferred']:,} put off by their limit",
        ),
        Row(
            name="update storm: delay from the first move to the end, 99th percentile",
            measured=after["delay_p99_seconds"],
            # The longest wait, one look, and what the limit of a minute puts off.
            bar=10.0,
            unit="s",
            note=f"median {after['delay_p50_seconds']:.2f} s",
        ),
        Row(
            name="update storm: processor time of the same book at rest",
            measured=quiet,
            bar=1.0,
            unit="% of a core",
        ),
    ]


async def _share(seconds: float, snapshots: list[Any], *, moving: bool) -> float:
    """Return the percent of a core that so many seconds took, the prices moving or not.

    What it takes to make up the prices is not counted.
    """
    from config.core.clock import market_now
    from portfolio.streams.publishing import publish

    begun, used = time.monotonic(), time.process_time()
    number, making = 0, 0.0
    while time.monotonic() - begun < seconds:
        number += 1
        if moving:
            at, step, making_since = market_now(), Decimal(number) / 100, time.thread_time()
            moved = [
                replace(
                    each,
                    quote=replace(
                        quote,
                        bid=quote.bid + step,
                        ask=quote.ask + step,
                        mark=quote.mark + step,
                        as_of=at,
                    ),
                )
                for each in snapshots
                for quote in (each.quote,)
            ]
            making += time.thread_time() - making_since
            await asyncio.to_thread(publish, "ibkr", moved)
        await asyncio.sleep(max(0.0, begun + number - time.monotonic()))
    return 100.0 * (time.process_time() - used - making) / (time.monotonic() - begun)


def _book() -> list[Any]:
    """Return what streams of a thousand shares, held in ten accounts, counted by 100 portfolios."""
    from greeks.domain import Quote, Snapshot
    from greeks.instruments.store import resolve_instruments
    from portfolio.models import AccountAccess, Position
    from tests.factories import AccountFactory, PositionFactory, UserFactory
    from tests.portfolio.books import quote, stock

    owners = [UserFactory() for _ in range(PORTFOLIOS)]
    contracts = [stock(f"S{number:04d}") for number in range(SYMBOLS)]
    rows = list(resolve_instruments(contracts).values())
    accounts = [AccountFactory(owner=owners[0], book_version=1) for _ in range(ACCOUNTS)]
    Position.objects.bulk_create(
        PositionFactory.build(
            account=accounts[number % ACCOUNTS], instrument=row, quantity=Decimal(100)
        )
        for number, row in enumerate(rows)
    )
    for owner in owners[1:]:
        for account in accounts:
            AccountAccess.objects.get_or_create(user=owner, account=account)
    quotes: list[Quote] = [quote(contract) for contract in contracts]
    return [Snapshot(contract=each.contract, quote=each, greeks=None) for each in quotes]
