"""Fetch the market data of a book: quotes, and the best available Greeks for each option.

Sources in order: the account's own broker, other brokers, market-data providers, our model from the
quote. The writer fills the rest with the last known. Impossible Greeks (|delta| above 1, wrong
sign, invalid volatility) are set aside and the next source is asked; missing stays missing. A
fallback never takes a leg back in time: Greeks older than the known ones are not used, and delayed
or previous-day ones only where the model has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from config.core.errors import ProviderError
from greeks.domain import Contract, Greeks, Quote, RejectedRow, Snapshot
from greeks.instruments.expiry import SessionCloses
from greeks.instruments.identity import instrument_key
from greeks.pricing.dividends import KnownDividends
from greeks.pricing.model import model_greeks
from greeks.pricing.priced_leg import NO_DIVIDENDS
from greeks.providers.base import SnapshotProvider
from greeks.underlyings import spot_contract, underlying_key
from portfolio.amounts import checked_time
from portfolio.market_data.checks import (
    GREEK_NAMES,
    checked_quote,
    greeks_error,
    not_computed,
    set_aside,
)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a fallback's numbers may be.

    ``known_since``: the ``as_of`` of the last known Greeks, by instrument key. ``oldest``: by
    currency, the time before which a number counts as old (a currency not listed has no limit).
    """

    known_since: Mapping[str, datetime] = field(default_factory=dict)
    oldest: Mapping[str, datetime] = field(default_factory=dict)

    def is_overtaken(self, key: str, greeks: Greeks) -> bool:
        known = self.known_since.get(key)
        return known is not None and greeks.as_of < known

    def is_old(self, contract: Contract, as_of: datetime) -> bool:
        oldest = self.oldest.get(contract.currency)
        return oldest is not None and as_of < oldest


@dataclass(slots=True, kw_only=True)
class MarketData:
    """What providers and the model know about a book's contracts, by instrument key.

    ``greeks`` are complete and valid. ``partial`` are a vendor's Greeks with a number missing, used
    only if nothing better is known, now or from before.
    """

    quotes: dict[str, Quote] = field(default_factory=dict)
    greeks: dict[str, Greeks] = field(default_factory=dict)
    partial: dict[str, Greeks] = field(default_factory=dict)
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    # Prices by ``underlying_key``.
    spots: dict[str, float] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    received: int = 0
    # ``error``: the first source failed. ``fallback_errors``: what went wrong with the others.
    error: ProviderError | None = None
    fallback_errors: list[str] = field(default_factory=list)
    # Underlyings a provider did not finish, and why.
    left_out: dict[str, str] = field(default_factory=dict)
    # Old Greeks and quotes of a fallback, used only where nobody has newer ones.
    old_greeks: dict[str, Greeks] = field(default_factory=dict)
    old_quotes: dict[str, Quote] = field(default_factory=dict)


def underlying_contracts(contracts: Iterable[Contract]) -> list[Contract]:
    """Return the shares, indices and futures under the options as contracts, one each."""
    found: dict[str, Contract] = {}
    for contract in contracts:
        spot = spot_contract(contract)
        if spot is not None:
            found.setdefault(instrument_key(spot), spot)
    return list(found.values())


def fetch_market_data(
    *,
    adapter: SnapshotProvider,
    contracts: Sequence[Contract],
    others: Callable[[], Iterable[SnapshotProvider]],
    marks: Mapping[str, Quote],
    known_spots: Mapping[str, float],
    closes: SessionCloses,
    at: datetime,
    freshness: Callable[[], Freshness] = Freshness,
    own: bool = True,
    dividends: KnownDividends = NO_DIVIDENDS,
) -> MarketData:
    """Ask ``adapter`` about ``contracts``, then the other sources, then the model.

    ``own``: the adapter is the account's own broker; its numbers are used whatever their age.
    ``others`` opens the other providers, which are closed here; it and ``freshness``, the age
    limits for their numbers, are called only if Greeks are missing. ``marks`` are the prices that
    came with the positions, used where there is no quote. ``known_spots`` are the last known prices
    of underlyings. ``closes`` comes from ``known_closes``, ``dividends`` from ``known_dividends``.
    Never raises provider errors: they are in the result.
    """
    data = MarketData()
    try:
        _add_snapshots(data, adapter, contracts, None if own else freshness())
    except ProviderError as error:
        data.error = error
    options = {instrument_key(c): c for c in contracts if c.is_option}
    missing = [
        contract
        for key, contract in options.items()
        if key not in data.greeks and not contract.is_adjusted
    ]
    if missing:
        _ask_others(data, others, missing, contracts, freshness)
    for candidates in (marks, data.old_quotes):
        for key, candidate in candidates.items():
            quote = data.quotes.get(key)
            if quote is None or quote.price is None:
                data.quotes[key] = candidate
    _find_spots(data, known_spots)
    wanted = [key for key in options if key not in data.greeks]
    for key, result in model_greeks(
        wanted=wanted,
        quotes=data.quotes,
        spots=data.spots,
        at=at,
        closes=closes,
        dividends=dividends,
    ).items():
        data.greeks[key] = result.greeks
        data.inputs[key] = result.inputs
    for key, greeks in data.old_greeks.items():
        data.greeks.setdefault(key, greeks)
    return data


def _ask_others(
    data: MarketData,
    others: Callable[[], Iterable[SnapshotProvider]],
    missing: Sequence[Contract],
    contracts: Sequence[Contract],
    freshness: Callable[[], Freshness],
) -> None:
    rules: Freshness | None = None
    # Without the own broker's prices, ask the others for the underlyings too.
    extra = [
        contract
        for contract in contracts
        if not contract.is_option and instrument_key(contract) not in data.quotes
    ]
    for other in others():
        remaining = [c for c in missing if instrument_key(c) not in data.greeks]
        try:
            if remaining:
                rules = rules or freshness()
                _add_snapshots(data, other, [*remaining, *extra], rules)
        except ProviderError as error:
            data.fallback_errors.append(f"{other.source}: {error.code}")
            logger.info("greeks_fallback_failed", provider=other.source, code=error.code)
        finally:
            other.close()


def _add_snapshots(
    data: MarketData,
    adapter: SnapshotProvider,
    contracts: Sequence[Contract],
    freshness: Freshness | None,
) -> None:
    """Ask one provider. Without ``freshness``, its numbers are used whatever their age."""
    if not contracts:
        return
    wanted = {instrument_key(contract) for contract in contracts}
    fetched = adapter.fetch_snapshots(contracts)
    data.received += len(fetched.items) + len(fetched.rejected)
    data.rejected += fetched.rejected
    if fetched.left_out:
        data.left_out |= fetched.left_out
        names = ", ".join(sorted(fetched.left_out))
        reason = next(iter(fetched.left_out.values()))
        data.fallback_errors.append(f"{adapter.source}: left out {names} ({reason})"[:255])
    for snapshot in fetched.items:
        key = instrument_key(snapshot.contract)
        if key not in wanted:
            data.rejected.append(set_aside("snapshot", "was not asked for", snapshot.contract, {}))
            continue
        data.rejected += [
            set_aside("greeks", fault, snapshot.contract, {}) for fault in snapshot.faults
        ]
        if snapshot.quote is not None:
            quote, impossible = checked_quote(snapshot.quote)
            data.rejected += impossible
            if freshness is not None and freshness.is_old(quote.contract, quote.as_of):
                data.old_quotes.setdefault(key, quote)
            elif key not in data.quotes or data.quotes[key].price is None:
                data.quotes[key] = quote
        if snapshot.contract.is_option and snapshot.greeks is not None:
            _offer_greeks(data, key, snapshot, snapshot.greeks, freshness)


def _offer_greeks(
    data: MarketData,
    key: str,
    snapshot: Snapshot,
    greeks: Greeks,
    freshness: Freshness | None,
) -> None:
    # Vendors do not say on which deliverable they computed an adjusted option: the model does it.
    if key in data.greeks or snapshot.contract.is_adjusted:
        return
    error = greeks_error(snapshot.contract, greeks)
    if error is not None:
        facts = {name: getattr(greeks, name) for name in (*GREEK_NAMES, "implied_volatility")}
        data.rejected.append(set_aside("greeks", error, snapshot.contract, facts))
        return
    if not_computed(greeks):
        return
    spot = greeks.underlying_price
    volatility = greeks.implied_volatility
    checked = replace(
        greeks,
        as_of=checked_time(greeks.as_of),
        underlying_price=spot if spot is not None and 0 < spot < 1e12 else None,
        implied_volatility=volatility or None,
    )
    if freshness is not None and freshness.is_overtaken(key, checked):
        return
    if not checked.is_complete:
        data.partial.setdefault(key, checked)
    elif freshness is not None and freshness.is_old(snapshot.contract, checked.as_of):
        data.old_greeks.setdefault(key, checked)
    else:
        data.greeks[key] = checked


def _find_spots(data: MarketData, known_spots: Mapping[str, float]) -> None:
    data.spots.update(known_spots)
    for greeks_by_key in (data.partial, data.greeks):
        for key, greeks in greeks_by_key.items():
            quote = data.quotes.get(key)
            if greeks.underlying_price is not None and quote is not None:
                data.spots[underlying_key(quote.contract)] = greeks.underlying_price
    for quote in data.quotes.values():
        contract = quote.contract
        if not contract.is_option and quote.price is not None and quote.price > 0:
            data.spots[underlying_key(contract)] = float(quote.price)
