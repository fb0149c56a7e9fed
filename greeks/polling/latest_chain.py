"""The latest chain as the body of ``/api/market/chain``: built once per poll, served unchanged.

A few minutes an hour are kept in the history: the opening one, every fifteenth after it, and the
session's last. Each poll in such a minute replaces the minute's chain, so that the last one, the
closing chain, is there when the minute is rolled up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from redis.client import Pipeline

from config.core.redis.client import key, redis_client
from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import Session
from greeks.chains import OptionChain
from greeks.maths.aggregation import ChainSums, FilledGreeks, has_vendor_greeks
from greeks.models import PolledInstrument
from greeks.polling.forming_minute import sums_by_greek
from greeks.polling.instruments import lot_size
from greeks.polling.samples import KEPT, MINUTE
from greeks.polling.shapes import Contract, MarketChain, Strike

SCHEMA = 1
MODEL = "model"
#: Long enough to show the week's last chain over a long weekend.
KEPT_SECONDS = 4 * 86_400
#: Between two kept minutes.
APART = timedelta(minutes=15)
_CLOSING_SECONDS = int((KEPT + APART).total_seconds())


def latest_chain_key(slug: str, expiry: date) -> str:
    return key("chain_latest", slug, expiry.isoformat())


def chain_body(
    instrument: PolledInstrument, chain: OptionChain, filled: FilledGreeks, sums: ChainSums
) -> bytes:
    """Return the body. Greeks are the vendor's or filled by our model; each says which."""
    return msgspec.json.encode(
        MarketChain(
            schema=SCHEMA,
            slug=instrument.slug,
            name=instrument.name,
            instrument_key=instrument.instrument_key,
            expiry=chain.expiry,
            as_of=chain.as_of.astimezone(exchange_named(instrument.exchange).zone),
            source=chain.source,
            simulated=instrument.simulated,
            spot=chain.spot,
            lot_size=lot_size(instrument, chain.expiry),
            counts_contracts=chain.counts_contracts,
            sums=sums_by_greek(sums.everything),
            vendor=sums_by_greek(sums.vendor),
            strikes=_strikes(chain, filled),
            max_pain=sums.max_pain,
        )
    )


def _strikes(chain: OptionChain, filled: FilledGreeks) -> list[Strike]:
    by_vendor = has_vendor_greeks(chain)
    by_model = ~by_vendor & np.isfinite(filled.greeks).all(axis=0)
    greeks = np.where(by_model, filled.greeks, chain.greeks())
    volatility = np.where(by_model, filled.implied_volatility, chain.implied_volatility)
    sources = np.where(by_vendor, 1, np.where(by_model, 2, 0)).tolist()
    names = (None, chain.source, MODEL)
    columns: tuple[Iterable[Any], ...] = (
        chain.keys, chain.bid.tolist(), chain.ask.tolist(), chain.last.tolist(),
        volatility.tolist(), *greeks.tolist(), [names[source] for source in sources],
        chain.volume.tolist(), chain.open_interest.tolist(),
        chain.previous_open_interest.tolist(),
    )  # fmt: skip
    contracts = list(map(Contract, *columns))
    strikes: list[Strike] = []
    for strike, is_call, contract in zip(
        chain.strike.tolist(), chain.is_call.tolist(), contracts, strict=True
    ):
        if not strikes or strikes[-1].strike != strike:
            strikes.append(Strike(strike, None, None))
        if is_call:
            strikes[-1].call = contract
        else:
            strikes[-1].put = contract
    return strikes


# --- Chains that the history keeps -----------------------------------------------------------
def is_kept_minute(session: Session, minute: datetime) -> bool:
    """Return whether the closing chain of this minute of the session goes into the history."""
    opening = session.opens_at.replace(second=0, microsecond=0)
    return (minute - opening) % APART == timedelta(0) or minute + MINUTE >= session.closes_at


def queue_closing_chain(
    pipeline: Pipeline, slug: str, expiry: date, minute: datetime, body: bytes
) -> None:
    """Queue the command that holds a minute's latest chain until it is rolled up."""
    pipeline.set(_closing_key(slug, expiry, minute), body, ex=_CLOSING_SECONDS)


def read_closing_chains(
    slug: str, expiry: date, minutes: Sequence[datetime]
) -> Mapping[datetime, str]:
    """Return the bodies held, by minute. Raises ``redis.exceptions.RedisError``."""
    if not minutes:
        return {}
    found: Any = redis_client().mget([_closing_key(slug, expiry, minute) for minute in minutes])
    return {minute: body for minute, body in zip(minutes, found, strict=True) if body is not None}


def _closing_key(slug: str, expiry: date, minute: datetime) -> str:
    return key("chain_closing", slug, expiry.isoformat(), str(int(minute.timestamp())))
