"""The identity of a contract: one text for all providers. Pure, so adapters may use it."""

from __future__ import annotations

import re
from decimal import Decimal

from greeks.domain import Contract, InstrumentKind

_PUNCTUATION = re.compile(r"[^A-Z0-9]")
_MONTH = re.compile(r"[FGHJKMNQUVXZ]\d{1,2}$", re.ASCII)
_DATED = re.compile(r"/[A-Z0-9]+[FGHJKMNQUVXZ]\d{1,2}", re.ASCII)


def instrument_key(contract: Contract) -> str:
    """Return the identity of a contract, the same for every provider.

    ``kind:root:expiry:strike:right:multiplier:currency``, with the parts that the kind has, e.g.
    ``option:SPXW:20260117:6000:C:100:USD`` or ``stock:BRKB:USD``. The root is the option's own
    (``SPX`` and ``SPXW`` settle at different hours, ``AAPL1`` delivers something else), or the
    underlying's name if it has none. Where a vendor names the month of an option's future
    (``/ESZ6``), its root has a month too (``EW4U6``), which the expiry says already: it is dropped,
    so that the contract is the same where it is not named (``EW4``). Punctuation is dropped,
    because vendors write ``BRK B``, ``BRK.B`` and ``BRK/B``.
    """
    if not contract.known_key:
        object.__setattr__(contract, "known_key", _identity(contract))
    return contract.known_key


def _identity(contract: Contract) -> str:
    parts = [contract.kind.value, plain_name(_root(contract))]
    if contract.kind in (InstrumentKind.STOCK, InstrumentKind.INDEX, InstrumentKind.CURRENCY):
        parts[1] = plain_name(contract.symbol)
    else:
        parts.append(f"{contract.expiry:%Y%m%d}" if contract.expiry else "")
    if contract.is_option or contract.kind is InstrumentKind.EVENT:
        parts.append(_number(contract.strike))
        parts.append(contract.right.value if contract.right else "")
    if contract.kind not in (InstrumentKind.STOCK, InstrumentKind.INDEX, InstrumentKind.CURRENCY):
        parts.append(_number(contract.multiplier))
    parts.append(contract.currency.upper())
    return ":".join(parts)


def _root(contract: Contract) -> str:
    root = contract.root or contract.underlying
    if contract.kind is InstrumentKind.FUTURE_OPTION and _DATED.fullmatch(contract.underlying):
        return _MONTH.sub("", root) or root
    return root


def plain_name(name: str) -> str:
    """Return a name without punctuation and case: ``BRKB`` of ``BRK/B``."""
    return _PUNCTUATION.sub("", name.upper()) or name


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"
