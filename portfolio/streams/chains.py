"""Let a polled option chain move held contracts as a stream does: prices, then portfolios.

The poll has stored its sample before this is called, and whatever fails here stays here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from threading import Lock
from typing import Any, Final

from cachetools import TTLCache, cached
from django.db.models import Q
from django.dispatch import receiver

from greeks.chains import OptionChain
from greeks.domain import Contract, InstrumentKind, Quote, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument, PolledInstrument
from greeks.providers.chain_snapshots import snapshots_of
from greeks.providers.upstox.names import INDEX_KEYS
from greeks.signals import chain_polled
from greeks.underlyings import spot_contract
from portfolio.market_data.prices import write_prices
from portfolio.refresh.chains import CHAIN_SOURCES, remember_in_chains
from portfolio.streams.publishing import publish

# What was just bought was valued by its sync; its later moves reach the queue.
_REMEMBERED_SECONDS: Final = 15.0
_MOST_CHAINS: Final = 256
_SPOT_KINDS: Final = (InstrumentKind.STOCK, InstrumentKind.INDEX)


@receiver(chain_polled)
def price_what_is_held(instrument: PolledInstrument, chain: OptionChain, **_: Any) -> None:
    """Publish the chain's prices of held contracts and their underlying, and store them."""
    if chain.source not in CHAIN_SOURCES:
        return
    held = _held(_names(instrument), instrument.currency, chain.expiry)
    if not held:
        return
    options = [contract for contract in held if contract.is_option]
    told = [
        *(_of_now(each) for each in snapshots_of(chain, options)),
        *_spots(chain, held),
    ]
    if not told:
        return
    remember_in_chains(chain.source, [instrument_key(each.contract) for each in told])
    publish(chain.source, told)
    write_prices()


@cached(TTLCache(_MOST_CHAINS, _REMEMBERED_SECONDS), lock=Lock())
def _held(names: tuple[str, ...], currency: str, expiry: date) -> Sequence[Contract]:
    """Return the options of a chain that enabled accounts hold, and their underlying if held.

    Remembered for a quarter of a minute; else two queries, one if there are none.
    """
    of_chain = Q(kind=InstrumentKind.OPTION, expiry=expiry) | Q(kind__in=_SPOT_KINDS)
    rows = Instrument.objects.filter(
        of_chain, positions__account__enabled=True, underlying__in=names, currency=currency
    )
    return list(contracts_of(rows.distinct()).values())


def _names(instrument: PolledInstrument) -> tuple[str, ...]:
    """Return the symbols of the underlying: brokers have two for some indices."""
    others = {name for name, key in INDEX_KEYS.items() if key == instrument.instrument_key}
    return tuple(sorted(others | {instrument.underlying}))


def _of_now(snapshot: Snapshot) -> Snapshot:
    """Leave out a quote that is not two-sided: the chain does not say how old its last trade is."""
    quote = snapshot.quote
    return snapshot if quote is None or quote.mid is not None else replace(snapshot, quote=None)


def _spots(chain: OptionChain, held: Iterable[Contract]) -> list[Snapshot]:
    """Return the underlying's price, under each name by which it or an option on it is held."""
    if chain.spot is None:
        return []
    under = [spot_contract(each) if each.is_option else each for each in held]
    price = Decimal(repr(chain.spot))
    return [
        Snapshot(
            contract=contract,
            quote=Quote(contract=contract, source=chain.source, as_of=chain.as_of, last=price),
            greeks=None,
        )
        for contract in {instrument_key(each): each for each in under if each is not None}.values()
    ]
