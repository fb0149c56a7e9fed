"""*year*: what the tables that grow by the minute cost after a year, on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds
from tests.servers.postgres import NoPostgres, running_postgres

CONTRACTS = 5
DAYS, MINUTES = 252, 390
CHAINS, OFFERED = 3, 120
POSITIONS = 5_000

_BARS = """
INSERT INTO price_bars
  (instrument_id, minute, open, high, low, close, samples, source, as_of)
SELECT i.id, m.at, 1.25, 1.5, 1, 1.25, 2, 'ibkr', m.at
FROM generate_series(%s - interval '1 day' * (%s - 1), %s, interval '1 day') AS day
CROSS JOIN generate_series(0, %s - 1) AS number
CROSS JOIN greeks_instrument AS i
CROSS JOIN LATERAL (SELECT day + interval '1 minute' * number AS at) AS m
ORDER BY m.at
"""
_CHAINS = """
INSERT INTO greek_snapshots
  (instrument_key, expiry, minute, session_date, samples_seen, samples_expected, simulated, source,
   as_of, updated_at, delta_buckets)
SELECT 'C' || c, %s, m.at, m.at::date, 12, 12, true, 'bench', m.at, m.at,
  decode(repeat('00', 1600), 'hex')
FROM generate_series(%s - interval '1 day' * (%s - 1), %s, interval '1 day') AS day
CROSS JOIN generate_series(0, 374) AS number
CROSS JOIN generate_series(1, %s) AS c
CROSS JOIN LATERAL (SELECT day + interval '1 minute' * number AS at) AS m
ORDER BY m.at
"""


def measure(options: Options) -> list[Row]:
    try:
        with running_postgres() as url, home(DATABASE_URL=url) as environment:
            return in_django("tests.benchmarks.year:measure_here", environment, options)
    except NoPostgres as reason:
        raise NotMeasured(f"PostgreSQL did not start: {reason}") from None


def measure_here(options: Options) -> list[Row]:
    """A year of bars of some contracts, and the offered days of some chains."""
    from django.conf import settings
    from django.db import connection
    from django.db.models import Max

    from config.core.clock import market_now
    from greeks.market.pickers import instruments_body
    from greeks.models import GreekSnapshot, PolledInstrument, StoredDay
    from portfolio.history.retention import delete_expired
    from portfolio.models import PriceBar
    from tests.factories import OptionFactory

    at = market_now()
    last = datetime(at.year, at.month, at.day, tzinfo=UTC) - timedelta(days=1)
    OptionFactory.create_batch(CONTRACTS)
    with connection.cursor() as cursor:
        cursor.execute(_BARS, [last, DAYS, last, MINUTES])
        cursor.execute(_CHAINS, [last.date(), last, OFFERED, last, CHAINS])
        cursor.execute("VACUUM ANALYZE price_bars")
        cursor.execute("VACUUM ANALYZE greek_snapshots")
        cursor.execute("SELECT pg_indexes_size('price_bars'), pg_table_size('price_bars')")
        of_indexes, of_rows = cursor.fetchone()
    days = GreekSnapshot.objects.values("instrument_key", "session_date", "expiry")
    StoredDay.objects.bulk_create(
        StoredDay(**day) for day in days.order_by().annotate(as_of=Max("as_of"))
    )
    PolledInstrument.objects.update(enabled=False)
    for number in range(1, CHAINS + 1):
        PolledInstrument.objects.create(
            slug=f"c{number}", name=f"C{number}", instrument_key=f"C{number}", provider="bench",
            underlying=f"C{number}", exchange="NSE", currency="INR",
        )  # fmt: skip
    times = interleaved(
        {
            "list": lambda: seconds(lambda: instruments_body(at)),
            "aggregate": lambda: seconds(lambda: list(days.annotate(latest=Max("as_of")))),
        },
        rounds=options.rounds,
        each=3,
    )
    listed, aggregated = (median(times[name]) * 1000 for name in ("list", "aggregate"))
    # The oldest fifth of the year expires.
    settings.KEEP_CONTRACT_MINUTES_DAYS = DAYS * 4 // 5
    gone = PriceBar.objects.count()
    taken = seconds(lambda: delete_expired(seconds=30.0))
    gone -= PriceBar.objects.count()
    # A trading day's rows of both tables.
    night = 2 * POSITIONS * MINUTES * taken / gone
    rows = CONTRACTS * DAYS * MINUTES
    return [
        Row(
            name="year, PostgreSQL: indexes of price bars ÷ rows",
            measured=of_indexes / 1e6,
            bar=of_rows / 1e6,
            unit="MB",
            note=f"{rows:,} rows, {(of_indexes + of_rows) / rows:.0f} bytes each.",
        ),
        Row(
            name="year, PostgreSQL: list of instruments",
            measured=listed,
            bar=aggregated,
            unit="ms",
            note=f"Bar: finding the {OFFERED} days of {CHAINS} chains in their minutes, in the "
            "same rounds.",
        ),
        Row(
            name=f"year, PostgreSQL: deleting a day of {POSITIONS:,} positions",
            measured=night / 60,
            bar=60.0,
            unit="min",
            note=f"At the {gone / taken:,.0f} rows a second of {gone:,} bars.",
        ),
    ]
