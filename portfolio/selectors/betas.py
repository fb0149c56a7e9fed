"""Betas and benchmark prices as stored. Public numbers: the same for everyone who asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.conf import settings

from greeks.domain import InstrumentKind
from portfolio.models import Beta, DailyClose, Quote
from portfolio.services.risk_rows import BetaWeights, Leg, history_symbol

#: Markets that books are commonly weighted with; closes of them are always kept.
COMMON_BENCHMARKS = ("SPY", "QQQ", "IWM", "DIA")
SELF = "self"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBeta:
    """A beta with where it came from: ``set``, ``history``, or ``self`` for the benchmark's own."""

    value: float
    source: str
    observations: int | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrice:
    """The last known price of an underlying, in ``currency``."""

    price: float
    currency: str
    as_of: datetime


def benchmarks_in_use() -> tuple[str, ...]:
    """The setting's benchmark and the common ones, each once."""
    return tuple(dict.fromkeys((settings.RISK_BENCHMARK, *COMMON_BENCHMARKS)))


def known_betas(underlyings: Iterable[str], *, benchmark: str) -> dict[str, KnownBeta]:
    """Betas by history symbol; one that was set wins over history's. One query."""
    names = {history_symbol(name) for name in underlyings}
    found: dict[str, KnownBeta] = {}
    rows = Beta.objects.filter(symbol__in=names, benchmark=benchmark).order_by("source")
    # "history" comes before "set" in the order: the hand's is written over it.
    for symbol, value, source, observations, as_of in rows.values_list(
        "symbol", "value", "source", "observations", "as_of"
    ):
        found[symbol] = KnownBeta(
            value=value, source=source, observations=observations, as_of=as_of
        )
    if benchmark in names:
        found[benchmark] = KnownBeta(value=1.0, source=SELF)
    return found


def known_prices(symbols: Iterable[str]) -> dict[str, KnownPrice]:
    """Last quotes of stocks, indices and futures by symbol. One query."""
    wanted = set(symbols)
    if not wanted:
        return {}
    rows = Quote.objects.filter(
        symbol__in=wanted,
        price__gt=0,
        instrument__kind__in=(
            InstrumentKind.STOCK.value,
            InstrumentKind.INDEX.value,
            InstrumentKind.FUTURE.value,
        ),
    ).order_by("as_of")
    found = {}
    for symbol, price, currency, as_of in rows.values_list(
        "symbol", "price", "instrument__currency", "as_of"
    ):
        if price is not None:
            found[symbol] = KnownPrice(price=float(price), currency=currency, as_of=as_of)
    return found


def last_close(symbol: str) -> KnownPrice | None:
    """The last daily close, taken as US dollars as all closes here are. One query."""
    row = (
        DailyClose.objects.filter(symbol=symbol)
        .order_by("-session_date")
        .values_list("close", "session_date")
        .first()
    )
    if row is None:
        return None
    at = datetime.combine(row[1], time(21), tzinfo=UTC)
    return KnownPrice(price=float(row[0]), currency="USD", as_of=at)


def weights_of(
    betas: Mapping[str, KnownBeta],
    *,
    benchmark: str,
    price: KnownPrice | None,
    currency: str,
    rates: Mapping[str, float],
) -> BetaWeights:
    """What beta-weighting needs, with the benchmark's price turned into ``currency``."""
    converted = None
    if price is not None:
        rate = 1.0 if price.currency == currency else rates.get(price.currency)
        converted = price.price * rate if rate else None
    values = {name: beta.value for name, beta in betas.items()}
    return BetaWeights(benchmark, converted, values)


def stored_weights(
    legs: Sequence[Leg], *, currency: str, rates: Mapping[str, float]
) -> BetaWeights:
    """Weights of these legs against ``RISK_BENCHMARK``. At most three queries, none for no legs."""
    benchmark = settings.RISK_BENCHMARK
    if not legs:
        return BetaWeights(benchmark, None, {})
    betas = known_betas({leg.underlying for leg in legs}, benchmark=benchmark)
    price = known_prices([benchmark]).get(benchmark) or last_close(benchmark)
    return weights_of(betas, benchmark=benchmark, price=price, currency=currency, rates=rates)
