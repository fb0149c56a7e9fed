"""The held contracts among those of a chain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from greeks.chains import Floats, OptionChain
from greeks.domain import Contract, Greeks, GreeksSource, Quote, Right, Snapshot
from greeks.providers.polygon.tickers import option_ticker


def snapshots_of(chain: OptionChain, contracts: Sequence[Contract]) -> Iterator[Snapshot]:
    """Yield a snapshot of each contract the chain has.

    ``contracts`` are options of its underlying and expiry. Polygon.io's chains have several roots
    at a strike (SPX and SPXW, adjusted ones), so there the vendor's ticker decides.
    """
    if chain.source == GreeksSource.POLYGON:
        by_ticker = {name: row for row, name in enumerate(chain.keys)}
        places = [by_ticker.get(option_ticker(contract) or "") for contract in contracts]
    else:
        strikes = zip(chain.strike.tolist(), chain.is_call.tolist(), strict=True)
        by_strike = {place: row for row, place in enumerate(strikes)}
        places = [
            by_strike.get((float(each.strike or 0), each.right is Right.CALL)) for each in contracts
        ]
    for contract, row in zip(contracts, places, strict=True):
        if row is not None:
            yield Snapshot(
                contract=contract,
                quote=_quote(chain, row, contract),
                greeks=_greeks(chain, row),
            )


def _quote(chain: OptionChain, row: int, contract: Contract) -> Quote | None:
    bid, ask, last = (_price(column, row) for column in (chain.bid, chain.ask, chain.last))
    if bid is None and ask is None and last is None:
        return None
    return Quote(
        contract=contract,
        source=chain.source,
        as_of=chain.as_of,
        bid=bid,
        ask=ask,
        last=last,
        previous_close=_price(chain.previous_close, row),
        volume=_count(chain, chain.volume, row, contract),
        open_interest=_count(chain, chain.open_interest, row, contract),
    )


def _greeks(chain: OptionChain, row: int) -> Greeks | None:
    delta = _value(chain.delta, row)
    volatility = _value(chain.implied_volatility, row)
    if delta is None and volatility is None:
        return None
    return Greeks(
        source=chain.source,
        as_of=chain.as_of,
        delta=delta,
        gamma=_value(chain.gamma, row),
        theta=_value(chain.theta, row),
        vega=_value(chain.vega, row),
        implied_volatility=volatility,
        underlying_price=chain.spot,
    )


def _value(column: Floats, row: int) -> float | None:
    value = float(column[row])
    return None if math.isnan(value) else value


def _price(column: Floats, row: int) -> Decimal | None:
    value = _value(column, row)
    return None if value is None else Decimal(repr(value))


def _count(chain: OptionChain, column: Floats, row: int, contract: Contract) -> int | None:
    """Return contracts of the held one's size; some vendors count units of the underlying."""
    value = _value(column, row)
    if value is None:
        return None
    return round(value if chain.counts_contracts else value / float(contract.multiplier))
