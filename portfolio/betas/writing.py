"""Fetch and store daily closes within the provider's budget, and compute betas from them.

The provider adjusts closes for splits. A few stored days are fetched again each time: if they
differ, the past was adjusted and all of it is fetched again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import structlog
from django.core.cache import cache
from django.db import transaction
from django.db.models import Max, QuerySet
from redis.exceptions import RedisError

from config.core.clock import market_now, now
from config.core.errors import CircuitOpen, ProviderError, RateLimitedError, UnauthorisedError
from config.core.redis.client import key, redis_client
from config.core.upsert import upsert
from greeks.domain import DailyClose as FetchedClose
from greeks.providers.base import DailyClosesProvider
from greeks.providers.registry import open_daily_closes_provider
from greeks.underlyings import history_name
from portfolio.betas.reading import CLOSES_KEPT, benchmarks_in_use, daily_closes, end_of
from portfolio.betas.returns import regressed_beta
from portfolio.models import Beta, DailyClose, Position

logger = structlog.get_logger(__name__)

# Time limit of one run; the next one continues.
SECONDS = 240.0
_OVERLAP = timedelta(days=10)
# Vendors round and correct by less than this; a split moves a close far more.
_SAME = Decimal("0.001")
# A symbol that is up to date or unknown to the provider is not requested again today.
_ASKED_SECONDS = 20 * 3600
_CLAIM_SECONDS = 3600


@dataclass(slots=True, kw_only=True)
class BetasUpdated:
    """Result of a run. ``put_off`` were not requested: the budget or time ran out."""

    fetched: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    put_off: list[str] = field(default_factory=list)
    betas: int = 0


def symbols_in_use() -> list[str]:
    """Return the benchmarks and every held underlying, by the name of its closes. One query."""
    return list(dict.fromkeys((*benchmarks_in_use(), *sorted(held_names(Position.objects.all())))))


def held_names(positions: QuerySet[Position]) -> set[str]:
    """Return the names of the closes of the positions' underlyings. One query."""
    rows = positions.order_by().values_list("instrument_type", "underlying", "currency")
    return {
        history_name(kind=kind, underlying=underlying, currency=currency)
        for kind, underlying, currency in rows.distinct()
    }


def claim_missing_closes(wanted: Collection[str]) -> bool:
    """Return whether to queue a fetch of closes.

    True if some of the names (``held_names``) lack closes and nobody asked recently.
    """
    if not wanted:
        return False
    known = DailyClose.objects.filter(symbol__in=wanted).order_by().values_list("symbol", flat=True)
    missing = set(wanted) - set(known.distinct())
    if not missing:
        return False
    try:
        client = redis_client()
        claimed = [
            client.set(key("closes_missing", name), "1", nx=True, ex=_CLAIM_SECONDS)
            for name in sorted(missing)
        ]
    except RedisError:
        return False
    return any(claimed)


def update_betas(*, seconds: float = SECONDS) -> BetasUpdated:
    """Fetch missing closes and compute all betas to the benchmarks in use.

    Does nothing if no provider has history. Safe to repeat and to interrupt.
    """
    done = BetasUpdated()
    deadline = time.monotonic() + seconds
    symbols = symbols_in_use()
    provider = open_daily_closes_provider()
    if provider is not None:
        try:
            _fetch_closes(provider, symbols, done, deadline=deadline)
        finally:
            provider.close()
    done.betas = compute_betas(symbols)
    logger.info(
        "betas_updated",
        fetched=len(done.fetched),
        unknown=done.unknown,
        failed=done.failed,
        put_off=len(done.put_off),
        betas=done.betas,
    )
    return done


def _fetch_closes(
    provider: DailyClosesProvider,
    symbols: Sequence[str],
    done: BetasUpdated,
    *,
    deadline: float,
) -> None:
    # Today's bar is not closed yet on any exchange.
    end = market_now().date() - timedelta(days=1)
    last = dict(
        DailyClose.objects.filter(symbol__in=symbols)
        .order_by()
        .values_list("symbol")
        .annotate(last=Max("session_date"))
    )
    due = [name for name in symbols if _is_listed(name) and _is_due(name, last.get(name), end)]
    for position, symbol in enumerate(due):
        if time.monotonic() >= deadline:
            done.put_off += due[position:]
            return
        try:
            found = _fetch_symbol(provider, symbol, last=last.get(symbol), end=end)
        except RateLimitedError:
            done.put_off += due[position:]
            return
        except (CircuitOpen, UnauthorisedError) as error:
            done.failed |= dict.fromkeys(due[position:], error.code)
            return
        except ProviderError as error:
            done.failed[symbol] = error.code
            continue
        cache.set(_asked_key(symbol, end), True, _ASKED_SECONDS)
        (done.fetched if found else done.unknown).append(symbol)


def _is_listed(name: str) -> bool:
    """Whether providers have closes of it: US shares and indices, no futures."""
    return not name.startswith("/") and ":" not in name


def _is_due(symbol: str, last: date | None, end: date) -> bool:
    return (last is None or last < end) and not cache.get(_asked_key(symbol, end))


def _asked_key(symbol: str, end: date) -> str:
    return f"closes_asked:{symbol}:{end.isoformat()}"


def _fetch_symbol(
    provider: DailyClosesProvider, symbol: str, *, last: date | None, end: date
) -> int:
    """Fetch and store one symbol's missing closes; return how many arrived."""
    whole = end - CLOSES_KEPT
    start = whole if last is None else max(whole, last - _OVERLAP)
    fetched = provider.fetch_daily_closes(symbol, start=start, end=end)
    if last is not None and _was_adjusted(symbol, fetched.items):
        fetched = provider.fetch_daily_closes(symbol, start=whole, end=end)
        store_closes(symbol, fetched.items, source=provider.source, anew=True)
    else:
        store_closes(symbol, fetched.items, source=provider.source)
    return len(fetched.items)


def _was_adjusted(symbol: str, items: Sequence[FetchedClose]) -> bool:
    kept = dict(
        DailyClose.objects.filter(
            symbol=symbol, session_date__in=[each.session_date for each in items]
        ).values_list("session_date", "close")
    )
    return any(
        abs(each.close - kept[each.session_date]) > _SAME * kept[each.session_date]
        for each in items
        if each.session_date in kept
    )


def store_closes(
    symbol: str, items: Sequence[FetchedClose], *, source: str, anew: bool = False
) -> None:
    """Store closes, replacing the same days; ``anew`` replaces the symbol's whole history."""
    at = now()
    rows = {
        each.session_date: (symbol, each.session_date, each.close, source[:24], at)
        for each in items
        if each.close > 0
    }
    with transaction.atomic():
        if anew and rows:
            DailyClose.objects.filter(symbol=symbol).exclude(session_date__in=rows).delete()
        upsert(
            DailyClose,
            ("symbol", "session_date", "close", "source", "as_of"),
            [rows[day] for day in sorted(rows)],
            unique=("symbol", "session_date"),
        )


def compute_betas(symbols: Iterable[str]) -> int:
    """Compute and store history betas of ``symbols`` to the benchmarks; return how many.

    Manual betas are separate rows and stay.
    """
    wanted = list(dict.fromkeys(symbols))
    benchmarks = benchmarks_in_use()
    closes = daily_closes({*wanted, *benchmarks}, until=market_now().date())
    rows = [
        (symbol, benchmark, beta.value, Beta.Source.HISTORY.value, beta.observations, as_of)
        for symbol in wanted
        for benchmark in benchmarks
        if symbol != benchmark
        and (beta := regressed_beta(_of(closes, symbol), _of(closes, benchmark))) is not None
        and (as_of := end_of(beta.last))
    ]
    upsert(
        Beta,
        ("symbol", "benchmark", "value", "source", "observations", "as_of"),
        sorted(rows),
        unique=("symbol", "benchmark", "source"),
    )
    return len(rows)


def _of(closes: Mapping[str, Mapping[date, float]], symbol: str) -> Mapping[date, float]:
    return closes.get(symbol, {})
