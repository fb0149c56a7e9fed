"""The demo's market: its listing, and the minutes before the desk was started.

The simulated market's prices are a function of time, so its past can be computed. Each minute of
the current session so far, and of the session before, gets one sample, summed by the code that sums
a polled chain, and is labelled simulated. Minutes the desk stored itself stay.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.text import slugify
from redis.exceptions import RedisError

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import Conflict
from config.core.redis.client import redis_client
from greeks.market.demo_samples import SOURCE, SimulatedMarket, simulated_samples
from greeks.maths.changes import ContractGreeks, bucket_changes
from greeks.minutes.roll_up import session_minutes
from greeks.minutes.rows import MinuteOf, candle_row, write_rows
from greeks.models import ChainSnapshot, GreekSnapshot, PolledInstrument, StoredDay
from greeks.polling.instruments import polled_expiries
from greeks.polling.samples import MINUTE, queue_contracts
from greeks.polling.sessions import session_for, session_on_date

logger = structlog.get_logger(__name__)

RECORDING_PROVIDER = "cboe"


def prepare_market(*, seed: int, chain: str) -> None:
    """Give the demo's instruments their listing and past. Raises ``Conflict`` outside the demo."""
    if not settings.DEMO:
        raise Conflict("The demo's market is prepared in demo mode only.")
    market: SimulatedMarket = import_string("config.core.sandbox.server.open_market")(
        seed=seed, chain=Path(chain) if chain else None
    )
    is_another = _remember_source(seed=seed, chain=chain)
    if chain:
        _poll_recording(market)
    for instrument in PolledInstrument.objects.filter(simulated=True):
        if is_another:
            # Another market had other prices in these minutes.
            for model in (GreekSnapshot, StoredDay, ChainSnapshot):
                model._default_manager.filter(instrument_key=instrument.instrument_key).delete()
            instrument.enabled = instrument.underlying in market.underlyings() and (
                (instrument.provider == RECORDING_PROVIDER) == bool(chain)
            )
        if instrument.underlying in market.underlyings():
            _list_expiries(instrument, market)
        instrument.save(update_fields=["enabled", "listed_expiries", "listed_as_of"])
        if instrument.enabled and not market_clock_is_frozen():
            for expiry in polled_expiries(instrument, market_now()):
                backfill(instrument=instrument, expiry=expiry, market=market)


def backfill(*, instrument: PolledInstrument, expiry: date, market: SimulatedMarket) -> int:
    """Write the missing minutes of this session and the one before; returns how many."""
    at = market_now()
    shown = session_for(instrument, at)
    if shown is None:
        return 0
    earlier = session_on_date(instrument, shown.session_date - timedelta(days=1))
    written = 0
    for session in (earlier, shown):
        if session is None:
            continue
        stored = set(
            GreekSnapshot.objects.filter(
                instrument_key=instrument.instrument_key,
                expiry=expiry,
                session_date=session.session_date,
                samples_seen__gt=0,
            ).values_list("minute", flat=True)
        )
        minutes = [each for each in session_minutes(session, at) if each not in stored]
        rows = []
        before: tuple[datetime, ContractGreeks] | None = None
        for sample, contracts in simulated_samples(instrument, expiry, market, session, minutes):
            of = MinuteOf(
                instrument_key=instrument.instrument_key,
                expiry=expiry,
                minute=sample.minute,
                session_date=session.session_date,
                samples_expected=1,
                source=SOURCE,
                simulated=True,
            )
            # A minute that is stored already was not computed again.
            follows = before is not None and before[0] + MINUTE == sample.minute
            changes = bucket_changes(before[1], contracts) if before and follows else None
            rows.append(candle_row(of, [sample], changes))
            before = sample.minute, contracts
        if session is shown and before is not None:
            _leave_contracts(instrument.slug, expiry, *before)
        with transaction.atomic():
            written += sum(write_rows(rows))
    return written


def _leave_contracts(slug: str, expiry: date, minute: datetime, contracts: ContractGreeks) -> None:
    """Let the first polled minute count its changes from the last computed one."""
    try:
        pipeline = redis_client().pipeline(transaction=False)
        queue_contracts(pipeline, slug, expiry, minute, contracts)
        pipeline.execute()
    except RedisError as error:
        logger.info("demo_contracts_not_left", reason=type(error).__name__)


def _remember_source(*, seed: int, chain: str) -> bool:
    """Whether the market differs from the one the stored minutes came from."""
    source = (
        f"recorded chain {hashlib.sha256(Path(chain).read_bytes()).hexdigest()}"
        if chain
        else f"simulated market, seed {seed}"
    )
    remembered = Path(settings.VAR_DIR) / "demo_market"
    is_another = not remembered.exists() or remembered.read_text() != source
    remembered.write_text(source)
    return is_another


def _poll_recording(market: SimulatedMarket) -> None:
    """Poll a recorded chain as Cboe's, which it is."""
    for position, symbol in enumerate(market.underlyings()):
        underlying = market.underlying(symbol)
        PolledInstrument.objects.get_or_create(
            instrument_key=symbol,
            defaults={
                "slug": slugify(symbol),
                "name": underlying.description or symbol,
                "provider": RECORDING_PROVIDER,
                "underlying": symbol,
                "exchange": underlying.exchange,
                "currency": underlying.currency,
                "position": position,
                "simulated": True,
            },
        )


def _list_expiries(instrument: PolledInstrument, market: SimulatedMarket) -> None:
    """List expiries so that the first slot is polled; the provider's own listing comes later."""
    symbol = instrument.underlying
    expiries = market.expiries(symbol)
    lots = [int(each.multiplier) for each in market.chain(symbol, expiries[0])[:1]]
    instrument.listed_expiries = [
        {"expiry": each.isoformat(), "lot_size": lots[0] if lots else None, "is_weekly": None}
        for each in expiries
    ]
    instrument.listed_as_of = market_now()
