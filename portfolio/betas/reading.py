"""Read stored betas and benchmark prices. Public data: the same for every user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db.models import Q

from greeks.domain import InstrumentKind
from greeks.underlyings import key_of_terms, share_key
from portfolio.exposure.columns import BetaWeights, Leg, book_spots
from portfolio.models import Beta, DailyClose, Quote

# Common benchmarks; their closes are always kept.
COMMON_BENCHMARKS = ("SPY", "QQQ", "IWM", "DIA")
SELF = "self"
# A year of sessions, with some to spare.
CLOSES_KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBeta:
    """A beta and its source: ``set``, ``history``, or ``self`` for the benchmark's own."""

    value: float
    source: str
    observations: int | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrice:
    """The last known price of an underlying, in ``currency``."""

    price: float
    currency: str
    as_of: datetime | None


def benchmarks_in_use() -> tuple[str, ...]:
    """Return the configured benchmark and the common ones, without duplicates."""
    return tuple(dict.fromkeys((settings.RISK_BENCHMARK, *COMMON_BENCHMARKS)))


def known_betas(history_names: Iterable[str], *, benchmark: str) -> dict[str, KnownBeta]:
    """Return betas by ``history_name``; a manual one overrides history's. One query."""
    names = set(history_names)
    found: dict[str, KnownBeta] = {}
    rows = Beta.objects.filter(symbol__in=names, benchmark=benchmark).order_by("source")
    # "history" sorts before "set", so the manual value overwrites it.
    for symbol, value, source, observations, as_of in rows.values_list(
        "symbol", "value", "source", "observations", "as_of"
    ):
        found[symbol] = KnownBeta(
            value=value, source=source, observations=observations, as_of=as_of
        )
    if benchmark in names:
        found[benchmark] = KnownBeta(value=1.0, source=SELF)
    return found


def known_prices(symbols: Iterable[str], keys: Iterable[str] = ()) -> dict[str, KnownPrice]:
    """Return last quotes of stocks, indices and futures by ``underlying_key``. One query.

    ``symbols`` names shares and indices in any currency, ``keys`` any instrument.
    """
    named = {symbol.partition(":")[0] for symbol in symbols}
    wanted = set(keys)
    if not named and not wanted:
        return {}
    rows = Quote.objects.filter(
        Q(symbol__in=named) | Q(instrument__key__in=wanted),
        price__gt=0,
        instrument__kind__in=(
            InstrumentKind.STOCK.value,
            InstrumentKind.INDEX.value,
            InstrumentKind.FUTURE.value,
        ),
    ).order_by("as_of")
    found = {}
    for symbol, price, as_of, kind, currency, underlying, expiry, multiplier in rows.values_list(
        "symbol", "price", "as_of", "instrument__kind", "instrument__currency",
        "instrument__underlying", "instrument__expiry", "instrument__multiplier",
    ):  # fmt: skip
        if price is None:
            continue
        key = key_of_terms(
            kind=kind,
            underlying=underlying if expiry else symbol,
            currency=currency,
            expiry=expiry,
            multiplier=float(multiplier),
        )
        found[key] = KnownPrice(price=float(price), currency=currency, as_of=as_of)
    return found


def price_of_benchmark(prices: Mapping[str, KnownPrice], benchmark: str) -> KnownPrice | None:
    """Return the price of a benchmark named by its ``history_name``."""
    symbol, _, currency = benchmark.partition(":")
    return prices.get(share_key(symbol, currency or "USD"))


def last_close(symbol: str) -> KnownPrice | None:
    """Return the last daily close. One query."""
    row = (
        DailyClose.objects.filter(symbol=symbol)
        .order_by("-session_date")
        .values_list("close", "session_date")
        .first()
    )
    return None if row is None else close_as_price(float(row[0]), row[1])


def price_in_book(legs: Iterable[Leg], benchmark: str) -> KnownPrice | None:
    """Return the price of an underlying from a leg on it, the nearest month's of a future."""
    mine = [leg for leg in legs if leg.history_name == benchmark]
    prices = book_spots(mine, {})
    for leg in sorted(mine, key=lambda leg: leg.expiry or date.min):
        if price := prices.get(leg.underlying_key):
            return KnownPrice(price=price, currency=leg.currency, as_of=None)
    return None


def close_as_price(close: float, day: date) -> KnownPrice:
    """Return a daily close as a price; closes are in US dollars."""
    return KnownPrice(price=close, currency="USD", as_of=end_of(day))


def end_of(day: date) -> datetime:
    """Return when the day's session has surely closed: New York time, in winter."""
    return datetime.combine(day, time(21), tzinfo=UTC)


def weights_of(
    betas: Mapping[str, KnownBeta],
    *,
    benchmark: str,
    price: KnownPrice | None,
    currency: str,
    rates: Mapping[str, float],
) -> BetaWeights:
    """Return what beta-weighting needs, with the benchmark's price in ``currency``."""
    converted = None
    if price is not None:
        rate = 1.0 if price.currency == currency else rates.get(price.currency)
        converted = price.price * rate if rate else None
    values = {name: beta.value for name, beta in betas.items()}
    return BetaWeights(benchmark, converted, values)


def stored_weights(
    legs: Sequence[Leg], *, currency: str, rates: Mapping[str, float]
) -> BetaWeights:
    """Return the legs' weights against ``RISK_BENCHMARK``, priced as in the risk report.

    Two or three queries, none without legs.
    """
    benchmark = settings.RISK_BENCHMARK
    if not legs:
        return BetaWeights(benchmark, None, {})
    betas = known_betas({leg.history_name for leg in legs}, benchmark=benchmark)
    price = (
        price_of_benchmark(known_prices([benchmark]), benchmark)
        or price_in_book(legs, benchmark)
        or last_close(benchmark)
    )
    return weights_of(betas, benchmark=benchmark, price=price, currency=currency, rates=rates)


def daily_closes(symbols: Iterable[str], *, until: date) -> dict[str, dict[date, float]]:
    """Return about a year of closes by symbol and day. One query, none without symbols."""
    wanted = set(symbols)
    if not wanted:
        return {}
    rows = DailyClose.objects.filter(
        symbol__in=wanted, session_date__gt=until - CLOSES_KEPT, session_date__lte=until
    )
    found: dict[str, dict[date, float]] = {}
    for symbol, day, close in rows.order_by().values_list("symbol", "session_date", "close"):
        found.setdefault(symbol, {})[day] = float(close)
    return found
