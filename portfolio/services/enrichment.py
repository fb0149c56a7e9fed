"""Market data of a book: quotes, and for each option the best Greeks that somebody has.

The order: the account's own broker, the other brokers, our model from the quote. What remains is
filled from the last known by the writer. Greeks that cannot be true (|delta| above one, the wrong
sign, an impossible volatility) are set aside and the next source is asked; missing stays missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog

from config.core.errors import ProviderError
from greeks.domain import Contract, Greeks, InstrumentKind, Quote, RejectedRow, Right, Snapshot
from greeks.identity import instrument_key
from greeks.providers.decoding import BadRow, storable
from greeks.services.expiry import SessionCloses
from greeks.services.model_greeks import model_greeks
from greeks.underlyings import is_index
from portfolio.brokers.base import BrokerAdapter
from portfolio.services.sync_checks import checked_amount, checked_time

logger = structlog.get_logger(__name__)

_QUOTE_AMOUNTS = ("bid", "ask", "last", "mark", "opening_price", "previous_close")
_QUOTE_COUNTS = ("volume", "open_interest")
_GREEK_NAMES = ("delta", "gamma", "theta", "vega")
# Vendors round: a delta of 1.0001 is one, a gamma of -0.000001 is nought.
_ROUNDING = 1e-3
_LARGEST_GREEK = 1e9
_LARGEST_VOLATILITY = 100.0


@dataclass(slots=True, kw_only=True)
class MarketData:
    """What the providers and the model know of a book's contracts, by instrument key.

    ``greeks`` are complete and possible; ``partial`` are a vendor's that lack a number, used when
    nothing better is known, not even from before.
    """

    quotes: dict[str, Quote] = field(default_factory=dict)
    greeks: dict[str, Greeks] = field(default_factory=dict)
    partial: dict[str, Greeks] = field(default_factory=dict)
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    spots: dict[str, float] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    received: int = 0
    #: The own broker failed; and, apart, what went wrong with the others.
    error: ProviderError | None = None
    fallback_errors: list[str] = field(default_factory=list)


def underlying_contracts(contracts: Iterable[Contract]) -> list[Contract]:
    """The underlyings of options as contracts of their own, one for each."""
    found: dict[str, Contract] = {}
    for contract in contracts:
        if contract.kind is not InstrumentKind.OPTION or contract.underlying in found:
            continue
        found[contract.underlying] = Contract(
            kind=InstrumentKind.INDEX if is_index(contract.underlying) else InstrumentKind.STOCK,
            symbol=contract.underlying,
            underlying=contract.underlying,
            multiplier=Decimal(1),
            currency=contract.currency,
        )
    return list(found.values())


def fetch_market_data(
    *,
    adapter: BrokerAdapter,
    contracts: Sequence[Contract],
    others: Callable[[], Iterable[BrokerAdapter]],
    marks: Mapping[str, Quote],
    known_spots: Mapping[str, float],
    closes: SessionCloses,
    at: datetime,
) -> MarketData:
    """Ask the own broker about ``contracts``, then others, then the model. No database access.

    ``others`` gives open adapters to ask, closed here; it is called only when Greeks are missing.
    ``marks`` are the prices that came with the positions, used where no quote did;
    ``known_spots`` last known prices of underlyings; ``closes`` from ``known_closes``. Never raises
    a provider's error: what failed is in the answer.
    """
    data = MarketData()
    try:
        _add_snapshots(data, adapter, contracts)
    except ProviderError as error:
        data.error = error
    options = {instrument_key(c): c for c in contracts if c.is_option}
    missing = [contract for key, contract in options.items() if key not in data.greeks]
    if missing:
        _ask_others(data, others, missing, contracts)
    for key, mark in marks.items():
        quote = data.quotes.get(key)
        if quote is None or quote.price is None:
            data.quotes[key] = mark
    _find_spots(data, known_spots)
    wanted = [key for key in options if key not in data.greeks]
    for key, result in model_greeks(
        wanted=wanted, quotes=data.quotes, spots=data.spots, at=at, closes=closes
    ).items():
        data.greeks[key] = result.greeks
        data.inputs[key] = result.inputs
    return data


def _ask_others(
    data: MarketData,
    others: Callable[[], Iterable[BrokerAdapter]],
    missing: Sequence[Contract],
    contracts: Sequence[Contract],
) -> None:
    # Without the own broker's prices the others are asked for the underlyings too.
    extra = [
        contract
        for contract in contracts
        if not contract.is_option and instrument_key(contract) not in data.quotes
    ]
    for other in others():
        remaining = [c for c in missing if instrument_key(c) not in data.greeks]
        try:
            if remaining:
                _add_snapshots(data, other, [*remaining, *extra])
        except ProviderError as error:
            data.fallback_errors.append(f"{other.source}: {error.code}")
            logger.info("greeks_fallback_failed", provider=other.source, code=error.code)
        finally:
            other.close()


def _add_snapshots(data: MarketData, adapter: BrokerAdapter, contracts: Sequence[Contract]) -> None:
    if not contracts:
        return
    wanted = {instrument_key(contract) for contract in contracts}
    fetched = adapter.fetch_snapshots(contracts)
    data.received += len(fetched.items) + len(fetched.rejected)
    data.rejected += fetched.rejected
    for snapshot in fetched.items:
        key = instrument_key(snapshot.contract)
        if key not in wanted:
            data.rejected.append(_row("snapshot", "was not asked for", snapshot.contract, {}))
            continue
        if snapshot.quote is not None:
            quote = _checked_quote(data, snapshot, snapshot.quote)
            if key not in data.quotes or data.quotes[key].price is None:
                data.quotes[key] = quote
        if snapshot.contract.is_option and snapshot.greeks is not None:
            _offer_greeks(data, key, snapshot, snapshot.greeks)


def _checked_quote(data: MarketData, snapshot: Snapshot, quote: Quote) -> Quote:
    changes: dict[str, Any] = {"as_of": checked_time(quote.as_of)}
    for name in _QUOTE_AMOUNTS:
        value = getattr(quote, name)
        if value is None:
            continue
        try:
            amount = checked_amount(value, name)
            if amount is not None and amount < 0:
                raise BadRow(f"{name}: {amount} is negative")
        except BadRow as error:
            amount = None
            row = _row("quote", error.reason, snapshot.contract, {name: str(value)})
            data.rejected.append(row)
        if amount is not value:
            changes[name] = amount
    for name in _QUOTE_COUNTS:
        count = getattr(quote, name)
        if count is not None and not 0 <= count < 2**63:
            changes[name] = None
            row = _row("quote", f"{name}: impossible", snapshot.contract, {name: str(count)})
            data.rejected.append(row)
    return replace(quote, **changes)


def _offer_greeks(data: MarketData, key: str, snapshot: Snapshot, greeks: Greeks) -> None:
    if key in data.greeks:
        return
    error = greeks_error(snapshot.contract, greeks)
    if error is not None:
        facts = {name: getattr(greeks, name) for name in (*_GREEK_NAMES, "implied_volatility")}
        data.rejected.append(_row("greeks", error, snapshot.contract, facts))
        return
    if _not_computed(greeks):
        return
    spot = greeks.underlying_price
    volatility = greeks.implied_volatility
    checked = replace(
        greeks,
        as_of=checked_time(greeks.as_of),
        underlying_price=spot if spot is not None and 0 < spot < 1e12 else None,
        implied_volatility=volatility or None,
    )
    if checked.is_complete:
        data.greeks[key] = checked
    elif key not in data.partial:
        data.partial[key] = checked


def greeks_error(contract: Contract, greeks: Greeks) -> str | None:
    """Why the Greeks of a long option cannot be true, naming the field, or ``None``."""
    for name in (*_GREEK_NAMES, "implied_volatility"):
        value = getattr(greeks, name)
        if value is not None and not (math.isfinite(value) and abs(value) < _LARGEST_GREEK):
            return f"{name}: {value} is impossible"
    if greeks.delta is not None:
        low, high = (0.0, 1.0) if contract.right is Right.CALL else (-1.0, 0.0)
        if not low - _ROUNDING <= greeks.delta <= high + _ROUNDING:
            return f"delta: {greeks.delta} is impossible for this option"
    for name in ("gamma", "vega"):
        value = getattr(greeks, name)
        if value is not None and value < -_ROUNDING:
            return f"{name}: {value} is negative"
    volatility = greeks.implied_volatility
    if volatility is not None and not 0 <= volatility <= _LARGEST_VOLATILITY:
        return f"implied_volatility: {volatility} is impossible"
    return None


def _not_computed(greeks: Greeks) -> bool:
    """Vendors send noughts for what they did not compute."""
    return not greeks.implied_volatility and all(
        not value for value in (greeks.gamma, greeks.theta, greeks.vega)
    )


def _find_spots(data: MarketData, known_spots: Mapping[str, float]) -> None:
    data.spots.update(known_spots)
    for greeks_by_key in (data.partial, data.greeks):
        for key, greeks in greeks_by_key.items():
            quote = data.quotes.get(key)
            if greeks.underlying_price is not None and quote is not None:
                data.spots[quote.contract.underlying] = greeks.underlying_price
    for quote in data.quotes.values():
        contract = quote.contract
        linear = contract.kind in (InstrumentKind.STOCK, InstrumentKind.INDEX)
        if linear and quote.price is not None and quote.price > 0:
            data.spots[contract.symbol] = float(quote.price)


def _row(kind: str, reason: str, contract: Contract, facts: Mapping[str, Any]) -> RejectedRow:
    payload = storable({"symbol": contract.symbol, **facts})
    return RejectedRow(kind=kind, reason=reason[:255], payload=payload)
