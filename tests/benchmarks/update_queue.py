"""*update queue*: requests and claims in Valkey, and the totals of portfolios in the database."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds

CALLS = 200
BATCH = 100
PENDING = 1_000
#: What the design asks of a request, as a share of what a PING of the same client does.
OF_A_PING = 11_000 / 7_000


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.update_queue:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    return [*_queue(options), *_totals(options)]


def _queue(options: Options) -> list[Row]:
    from config.core.redis.client import key, redis_client
    from portfolio.updates.queue import claim_due, finish, queue_portfolio_updates
    from portfolio.updates.rules import Priority

    client = redis_client()
    peer = client.register_script("return redis.call('SADD', KEYS[1], unpack(ARGV))")
    symbols = [f"option:{number}" for number in range(10)]
    batch = dict.fromkeys(range(BATCH), symbols)

    def forget() -> None:
        for name in client.scan_iter(key("updates", "*"), count=10_000):
            client.delete(name)

    def one_by_one() -> float:
        return seconds(lambda: [queue_portfolio_updates({1: ["AAPL"]}) for _ in range(CALLS)])

    def ping() -> float:
        return seconds(lambda: [client.ping() for _ in range(CALLS)])

    def in_a_batch() -> float:
        return seconds(lambda: queue_portfolio_updates(batch))

    def pipelined() -> float:
        def call() -> None:
            pipeline = client.pipeline(transaction=False)
            for number in batch:
                peer(keys=[f"bench:{number}"], args=symbols, client=pipeline)
            pipeline.execute()

        return seconds(call)

    def claim() -> float:
        forget()
        queue_portfolio_updates(batch, Priority.MANUAL)

        return seconds(lambda: finish(claim_due(most=BATCH).claims))

    figures = interleaved(
        {
            "one": one_by_one,
            "ping": ping,
            "batch": in_a_batch,
            "pipelined": pipelined,
            "claim": claim,
        },
        rounds=options.rounds,
    )
    took = {name: median(values) for name, values in figures.items()}
    forget()
    before = client.info("memory")["used_memory"]
    queue_portfolio_updates(dict.fromkeys(range(PENDING), symbols))
    held = (client.info("memory")["used_memory"] - before) / 1e6
    forget()
    storm, start = 0, time.time()
    for number in range(200):
        at = start + number / 10
        if number < BATCH:
            queue_portfolio_updates({1: [f"S{number}"]}, at=at)
        storm += len(finish(claim_due(most=1, at=at).claims, at=at))
    forget()
    updates = len(symbols) * BATCH
    return [
        Row(
            name="update queue: a request, beside 11/7 of a PING",
            measured=took["one"] / CALLS * 1e6,
            bar=took["ping"] / CALLS * 1e6 * OF_A_PING,
            unit="µs",
            note=f"{CALLS / took['one']:,.0f} requests a second, {CALLS / took['ping']:,.0f} PINGs",
        ),
        Row(
            name=f"update queue: {BATCH} portfolios of 10 symbols at once, beside a bare pipeline",
            measured=took["batch"] * 1e3,
            bar=took["pipelined"] * 1e3,
            unit="ms",
            note=f"{updates / took['batch']:,.0f} symbol updates a second",
        ),
        Row(
            name=f"update queue: {BATCH} portfolios claimed and finished",
            measured=took["claim"] * 1e3,
            bar=10.0,
            unit="ms",
        ),
        Row(
            name="update queue: calculations of 100 updates in 10 s",
            measured=storm,
            bar=5,
            unit="",
        ),
        Row(
            name=f"update queue: memory of {PENDING} portfolios that wait, 10 symbols each",
            measured=held,
            bar=5.0,
            unit="MB",
        ),
    ]


def _totals(options: Options) -> list[Row]:
    import numpy as np

    from portfolio.models import Portfolio, Position
    from portfolio.updates.calculation import recalculate
    from tests.benchmarks.book import make_book
    from tests.factories import AccountFactory, UserFactory

    owners = [UserFactory() for _ in range(10)]
    accounts = [make_book(owners[0])]
    instruments = list(Position.objects.filter(account=accounts[0]))
    for owner in owners[1:]:
        account = AccountFactory(owner=owner, book_version=1)
        rows = [Position.objects.get(pk=row.pk) for row in instruments]
        for row in rows:
            row.pk, row.account = None, account
        Position.objects.bulk_create(rows)
        accounts.append(account)
    ids = [Portfolio.objects.get(owner=owner, holds_all=True).pk for owner in owners]

    def plain(count: int) -> Callable[[], float]:
        def call() -> None:
            for account in accounts[:count]:
                rows = Position.objects.filter(account=account).order_by()
                values = rows.values_list("market_value", "daily_change")
                np.nansum(np.array(list(values), dtype=float), axis=0)

        return lambda: seconds(call)

    def total(count: int) -> Callable[[], float]:
        return lambda: seconds(lambda: recalculate(ids[:count]))

    figures = interleaved(
        {"1": total(1), "10": total(10), "plain 1": plain(1), "plain 10": plain(10)},
        rounds=options.rounds,
        each=5,
    )
    took = {name: median(values) * 1e3 for name, values in figures.items()}
    return [
        Row(
            name=f"update queue: totals of {count} × 200 positions",
            measured=took[count],
            bar=bar,
            unit="ms",
            note=f"one read and NumPy's sum of the same rows: {took[f'plain {count}']:.2f} ms",
        )
        for count, bar in (("1", 10.0), ("10", 40.0))
    ]
