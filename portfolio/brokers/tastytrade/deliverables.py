"""What adjusted options deliver, from the option chain of their underlying.

Positions and orders name such an option only by its root, ``SDS1``. The chain
(``/option-chains/{underlying}/nested``) has an item per root with its ``deliverables``: shares of a
symbol, and cash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from greeks.domain import ADJUSTED_ROOT, Deliverable
from greeks.instruments.occ import OptionSymbolError, listed_name, parse_occ
from greeks.providers.decoding import BadRow, parse_decimal, parse_text

#: By root of the option.
Deliverables = Mapping[str, Deliverable]
NO_DELIVERABLES: Final[Deliverables] = {}


def adjusted_underlyings(rows: Iterable[object]) -> tuple[str, ...]:
    """Return underlyings of the adjusted options among positions."""
    found: set[str] = set()
    for row in rows:
        symbol = row.get("symbol") if isinstance(row, Mapping) else None
        if not isinstance(symbol, str) or not isinstance(row, Mapping):
            continue
        try:
            root = parse_occ(symbol).root
        except OptionSymbolError:
            continue
        if ADJUSTED_ROOT.fullmatch(root):
            named = row.get("underlying-symbol")
            found.add(listed_name(named if isinstance(named, str) and named else root))
    return tuple(sorted(found))


def decode_deliverables(underlying: str, chain: Iterable[object]) -> dict[str, Deliverable]:
    """Return deliverables by root of the chain's adjusted items.

    An item that delivers another security, or that cannot be read, is absent: unknown.
    """
    found: dict[str, Deliverable] = {}
    for item in chain:
        if not isinstance(item, Mapping) or not isinstance(item.get("root-symbol"), str):
            continue
        root = item["root-symbol"]
        try:
            deliverable = _deliverable(underlying, item.get("deliverables"))
        except BadRow:
            continue
        if deliverable is not None and ADJUSTED_ROOT.fullmatch(root):
            found[root] = deliverable
    return found


def _deliverable(underlying: str, parts: object) -> Deliverable | None:
    if not isinstance(parts, list) or not parts:
        return None
    shares = cash = Decimal(0)
    for part in parts:
        if not isinstance(part, Mapping):
            return None
        amount = parse_decimal(part.get("amount"), "amount", required=True)
        kind = parse_text(part.get("deliverable-type"), "deliverable-type")
        if kind == "Cash":
            cash += amount
        elif kind == "Shares" and part.get("symbol") == underlying:
            shares += amount
        else:
            return None
    return Deliverable(shares=shares, cash=cash)
