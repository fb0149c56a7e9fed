"""The latest chain as the body of ``/api/market/chain``: built once per poll, served unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
import numpy as np
from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client
from greeks.calendar.exchanges import exchange_named
from greeks.chains import OptionChain
from greeks.maths.aggregation import ChainSums, FilledGreeks, has_vendor_greeks
from greeks.models import PolledInstrument
from greeks.polling.forming_minute import known, sums_by_greek
from greeks.polling.instruments import lot_size

SCHEMA = 1
MODEL = "model"
#: Keeps the week's last chain visible over a long weekend.
KEPT_SECONDS = 4 * 86_400


class _Contract(msgspec.Struct):
    """One contract. msgspec writes NaN as null."""

    key: str
    bid: float
    ask: float
    last: float
    iv: float
    delta: float
    gamma: float
    theta: float
    vega: float
    greeks_source: str | None
    volume: float
    open_interest: float
    previous_open_interest: float


class _Strike(msgspec.Struct):
    """Both sides of a strike; an unlisted side is null."""

    strike: float
    call: _Contract | None = None
    put: _Contract | None = None


def latest_chain_key(slug: str, expiry: date) -> str:
    return key("chain_latest", slug, expiry.isoformat())


def chain_body(
    instrument: PolledInstrument, chain: OptionChain, filled: FilledGreeks, sums: ChainSums
) -> bytes:
    """Return the body. Greeks are the vendor's or filled by our model; each says which."""
    zone = exchange_named(instrument.exchange).zone
    return msgspec.json.encode(
        {
            "schema": SCHEMA,
            "slug": instrument.slug,
            "name": instrument.name,
            "instrument_key": instrument.instrument_key,
            "expiry": chain.expiry.isoformat(),
            "as_of": chain.as_of.astimezone(zone).isoformat(),
            "source": chain.source,
            "simulated": instrument.simulated,
            "spot": None if chain.spot is None else known(chain.spot),
            "lot_size": lot_size(instrument, chain.expiry),
            "counts_contracts": chain.counts_contracts,
            "sums": sums_by_greek(sums.everything),
            "vendor": sums_by_greek(sums.vendor),
            "strikes": _strikes(chain, filled),
        }
    )


def latest_chain(slug: str, expiry: date) -> bytes | None:
    """Return the latest body; ``None`` if none is kept or Redis is down."""
    try:
        body: Any = redis_client().get(latest_chain_key(slug, expiry))
    except RedisError:
        return None
    return None if body is None else str(body).encode()


def _strikes(chain: OptionChain, filled: FilledGreeks) -> list[_Strike]:
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
    contracts = list(map(_Contract, *columns))
    strikes: list[_Strike] = []
    for strike, is_call, contract in zip(
        chain.strike.tolist(), chain.is_call.tolist(), contracts, strict=True
    ):
        if not strikes or strikes[-1].strike != strike:
            strikes.append(_Strike(strike))
        if is_call:
            strikes[-1].call = contract
        else:
            strikes[-1].put = contract
    return strikes
