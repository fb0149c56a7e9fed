"""The held contracts among those of a chain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from greeks.chains import Floats, OptionChain
from greeks.domain import Contract, Greeks, InstrumentKind, Quote, Right, Snapshot
from greeks.providers.upstox.names import CURRENCY, INDEX_KEYS, SOURCE


def chains_of(
    contracts: Iterable[Contract], keys: Mapping[str, str] = INDEX_KEYS
) -> dict[tuple[str, date], list[Contract]]:
    """Return the options Upstox has, by the vendor's key of their underlying and expiry.

    ``keys`` are the vendor's keys by the underlying's symbol.
    """
    found: dict[tuple[str, date], list[Contract]] = {}
    for contract in contracts:
        key = keys.get(contract.underlying.upper())
        is_option = contract.kind is InstrumentKind.OPTION and contract.currency == CURRENCY
        if key is not None and is_option and contract.expiry is not None:
            found.setdefault((key, contract.expiry), []).append(contract)
    return found


def snapshots_of(chain: OptionChain, contracts: Sequence[Contract]) -> Iterator[Snapshot]:
    """Yield a snapshot of each contract the chain has."""
    rows = {
        (strike, is_call): row
        for row, (strike, is_call) in enumerate(
            zip(chain.strike.tolist(), chain.is_call.tolist(), strict=True)
        )
    }
    for contract in contracts:
        row = rows.get((float(contract.strike or 0), contract.right is Right.CALL))
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
        source=SOURCE,
        as_of=chain.as_of,
        bid=bid,
        ask=ask,
        last=last,
        previous_close=_price(chain.previous_close, row),
        volume=_count(chain.volume, row, contract),
        open_interest=_count(chain.open_interest, row, contract),
    )


def _greeks(chain: OptionChain, row: int) -> Greeks | None:
    delta = _value(chain.delta, row)
    volatility = _value(chain.implied_volatility, row)
    if delta is None and volatility is None:
        return None
    return Greeks(
        source=SOURCE,
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


def _count(column: Floats, row: int, contract: Contract) -> int | None:
    """Convert the vendor's units of the underlying to contracts."""
    value = _value(column, row)
    return None if value is None else round(value / float(contract.multiplier))
