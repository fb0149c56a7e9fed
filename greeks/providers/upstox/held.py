"""Which chains of Upstox have the held contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from greeks.domain import Contract, InstrumentKind
from greeks.providers.upstox.names import CURRENCY, INDEX_KEYS


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
