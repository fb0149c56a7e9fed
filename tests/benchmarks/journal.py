"""*journal*: ingest, rebuild, statistics, and what a page costs at a million fills."""

from __future__ import annotations

import gc
import time
from datetime import timedelta
from typing import Final

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds
from tests.servers.postgres import NoPostgres, running_postgres

FILLS: Final = 100_000
BAR_ROWS_A_SECOND: Final = 5_000
TRADES: Final = 10_000
STATISTICS_BAR, PAGE_BAR = 200.0, 500.0
#: The sums take 10 ms on an ordinary machine.
STATISTICS_TIMES: Final = 20.0
MILLION: Final = 1_000_000
_VENDORS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

_FILLS = """
INSERT INTO trade_executions
  (account_id, broker, broker_execution_id, instrument_id, symbol, kind, side, quantity, price,
   execution_time, position_effect, order_id, currency, transaction_id, trade_id, exec_root,
   revision, superseded, cancelled_by, fingerprint, source, raw_payload, recorded_at, updated_at)
SELECT 'MANY', 'IBKR', n, i.id, i.symbol, 'trade',
  CASE WHEN mod(n, 2) = 0 THEN 'SELL' ELSE 'BUY' END,
  1, 2, m.at, '', '', 'USD', '', '', n, 0, false, '', n, 'bench', '{}', m.at, m.at
FROM generate_series(0, %s - 1) AS n
JOIN (SELECT id, symbol, row_number() OVER (ORDER BY id) AS place FROM greeks_instrument) AS i
  ON i.place = 1 + mod(n / 2, 40)
CROSS JOIN LATERAL (SELECT %s - interval '1 minute' * (%s - n) AS at) AS m
"""
_LOTS = """
INSERT INTO trade_lots
  (account_id, instrument_id, opened_by_id, opened_at, currency, quantity, open_price, open_costs,
   closed_by_id, closed_at, closed_kind, close_price, close_costs, gross, net, awaiting)
SELECT a.account_id, a.instrument_id, a.id, a.execution_time, 'USD', -1, 2, 0, b.id,
  b.execution_time, 'trade', 1, 0, 100, 100, false
FROM trade_executions a JOIN trade_executions b ON b.id = a.id + 1
WHERE a.account_id = 'MANY' AND a.side = 'SELL'
"""
_TRADES = """
INSERT INTO trades
  (opening_id, account_id, underlying, strategy, name, open_name, status, opened_at, closed_at,
   quantity, currency, premium, costs, gross, net, unknown_closes, chain)
SELECT l.opened_by_id, l.account_id, i.underlying, 'single', 'Short put', '', 'closed',
  l.opened_at, l.closed_at, 1, 'USD', 200, 0, 100, 100, 0, l.opened_by_id
FROM trade_lots l JOIN greeks_instrument i ON i.id = l.instrument_id
"""
#: The sums that the statistics hold, without their names, groups of time and curves.
_SUMS = """
SELECT underlying, count(*), sum(net), sum(gross), sum(costs), min(net), max(net),
  sum(CASE WHEN net >= 0.005 THEN 1 ELSE 0 END), sum(CASE WHEN net <= -0.005 THEN 1 ELSE 0 END)
FROM trades WHERE account_id = %s AND status = 'closed' GROUP BY underlying
"""


def measure(options: Options) -> list[Row]:
    module = "tests.benchmarks.journal"
    with home() as environment:
        rows = in_django(f"{module}:measure_here", environment, options)
    try:
        with running_postgres() as url, home(DATABASE_URL=url) as environment:
            rows += in_django(f"{module}:measure_here", environment, options)
        # A server of its own: the rows are made of all that is stored.
        with running_postgres() as url, home(DATABASE_URL=url) as environment:
            return rows + in_django(f"{module}:measure_million", environment, options)
    except NoPostgres as reason:
        raise NotMeasured(f"PostgreSQL did not start: {reason}") from None


def measure_here(options: Options) -> list[Row]:
    """Ingest and rebuild once, statistics in rounds, on the database of the settings."""
    from django.db import connection

    from config.core.processes.collecting import no_collecting
    from config.core.rows.pages import many_pages
    from tests.benchmarks.executions import export
    from tests.factories import AccountFactory
    from trades.importing.run import import_file
    from trades.lots.store import rebuild_lots
    from trades.strategies.store import rebuild_account_trades

    vendor = _VENDORS[connection.vendor]
    rebuilt = {}
    for fills in (FILLS // 4, FILLS):
        account = AccountFactory(account_id=f"B{fills}", account_number=f"B{fills}", broker="TASTY")
        file, told = export(fills), dict[str, float]()

        def tell(step: str, told: dict[str, float] = told) -> None:
            told.setdefault(step.partition(" ")[0], time.perf_counter())

        # As the commands do.
        with no_collecting():
            begun = time.perf_counter()
            import_file(file, file_name="export.csv", account=account, tell=tell)
            took, stored = time.perf_counter() - begun, told["compute"] - begun
        with no_collecting(), many_pages():
            rebuilt[fills] = seconds(
                lambda: (rebuild_lots(account), rebuild_account_trades(account))  # noqa: B023
            )
    growth = rebuilt[FILLS] / rebuilt[FILLS // 4]
    return [
        Row(
            name=f"journal, {vendor}: ingest of {FILLS:,} fills",
            measured=stored,
            bar=FILLS / BAR_ROWS_A_SECOND,
            unit="s",
            note=f"{FILLS / stored:,.0f} rows a second from the file until its fills are stored.",
        ),
        Row(
            name=f"journal, {vendor}: import of {FILLS:,} fills",
            measured=took,
            unit="s",
            note=f"{FILLS / took:,.0f} rows a second from the file to lots and trades.",
        ),
        Row(
            name=f"journal, {vendor}: rebuild of four times the fills",
            measured=growth,
            bar=4.4,
            unit="×",
            note=f"{rebuilt[FILLS // 4]:.1f} s, {rebuilt[FILLS]:.1f} s. Bar: linear and a tenth.",
        ),
        *_statistics(options, vendor),
    ]


def _statistics(options: Options, vendor: str) -> list[Row]:
    from django.db import connection

    from config.core.clock import market_now
    from tests.factories import AccountFactory
    from tests.trades.many import DAYS, write_days, write_trades
    from trades.statistics.filter import StatisticsFilter
    from trades.statistics.report import statistics_report

    last = market_now()
    account = AccountFactory(account_id="S1")
    write_trades(account, TRADES, last=last)
    write_days(account, last=last.date())
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # The server does so by itself a minute later.
            cursor.execute("ANALYZE")
    # As the desk's processes do at their start.
    gc.collect()
    gc.freeze()
    wanted = StatisticsFilter(
        accounts=[account],
        currency="USD",
        start=last.date() - timedelta(days=DAYS + 1),
        end=last.date() + timedelta(days=4),
    )

    def sums() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SUMS, [account.pk])
            cursor.fetchall()

    times = interleaved(
        {
            "report": lambda: seconds(lambda: statistics_report(wanted)),
            "sums": lambda: seconds(sums),
        },
        rounds=options.rounds,
    )
    report, plain = (median(times[name]) * 1e3 for name in ("report", "sums"))
    return [
        Row(
            name=f"journal, {vendor}: statistics of {TRADES:,} trades",
            measured=report,
            bar=STATISTICS_BAR,
            unit="ms",
        ),
        Row(
            name=f"journal, {vendor}: statistics ÷ plain SQL of the same sums",
            measured=report / plain,
            bar=STATISTICS_TIMES,
            unit="×",
            note=f"The sums take {plain:.1f} ms.",
        ),
    ]


def measure_million(options: Options) -> list[Row]:
    """Pages of a journal of a million fills: the curve, the list and the fills."""
    from django.db import connection

    from config.core.clock import market_now
    from portfolio.models import Account
    from tests.factories import AccountFactory, OptionFactory
    from tests.trades.many import write_days
    from trades.analytics.curves import read_pnl_curve
    from trades.journal.reading import ExecutionFilter, executions_of
    from trades.reviewing.listing import list_trades

    account: Account = AccountFactory(account_id="MANY")
    OptionFactory.create_batch(40)
    last = market_now()
    with connection.cursor() as cursor:
        cursor.execute(_FILLS, [MILLION, last, MILLION])
        cursor.execute(_LOTS)
        cursor.execute(_TRADES)
        cursor.execute("ANALYZE")
    write_days(account, last=last.date())
    asked = {"account_id": None, "start": None, "end": None}
    times = interleaved(
        {
            "P&L curve of 30 days": lambda: seconds(lambda: read_pnl_curve(account.owner, **asked)),
            "list of trades": lambda: seconds(lambda: list_trades([account], {})),
            "list of fills": lambda: seconds(lambda: executions_of([account], ExecutionFilter())),
        },
        rounds=options.rounds,
    )
    return [
        Row(
            name=f"journal, PostgreSQL, a million fills: {name}",
            measured=median(values) * 1e3,
            bar=PAGE_BAR,
            unit="ms",
        )
        for name, values in times.items()
    ]
