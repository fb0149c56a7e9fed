"""The instrument that a contract's price and Greeks refer to, as one text for all providers. Pure.

A share, an index or a future refers to itself, an option to its share or index, an option on a
future to its own month. Prices, dividends, betas and Greeks are found by this text, never by a
symbol: an ES share, an ES future and the next month's future are three instruments.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from config.core.clock import parse_clock
from greeks.domain import Contract, InstrumentKind
from greeks.indices import INDICES, is_index
from greeks.instruments.identity import instrument_key

if TYPE_CHECKING:
    from greeks.models import Instrument

_MONTH = re.compile(r"/([A-Z0-9]+?)[FGHJKMNQUVXZ]\d{1,2}", re.ASCII)
_FUTURE_KEY = re.compile(
    r"future:(?P<root>[^:]+):(?P<expiry>\d{8}):(?P<multiplier>[\d.]+):(?P<currency>[A-Z]+)",
    re.ASCII,
)
_DATED = frozenset({InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION})
#: Futures that IBKR names as their index: ``/ESTX50``, ``/OMXH25``, ``/IBEX35`` end as months do.
_NAMES = frozenset().union(*INDICES.values())
# Most books hold fewer legs; a leg's terms never change.
_REMEMBERED = 20_000


def underlying_key(contract: Contract) -> str:
    """Return the identity of the contract's underlying, or its own if it is one."""
    return contract.underlying_key or key_of_terms(
        kind=contract.kind.value,
        underlying=contract.underlying,
        currency=contract.currency,
        expiry=contract.expiry,
        multiplier=float(contract.multiplier),
    )


@lru_cache(_REMEMBERED)
def key_of_terms(
    *, kind: str, underlying: str, currency: str, expiry: date | None, multiplier: float = 1.0
) -> str:
    """Return what ``underlying_key`` returns for these terms, if no provider named the underlying.

    Options on a future whose month is unknown share a key only with those that expire the same
    day, and with a future of that day: they never take another month's price.
    """
    if kind == InstrumentKind.FUTURE_OPTION and is_month(underlying):
        return f"future:{underlying[1:]}:{currency.upper()}"
    refers = InstrumentKind.FUTURE if kind in _DATED else InstrumentKind(kind)
    if refers is InstrumentKind.OPTION:
        refers = InstrumentKind.INDEX if is_index(underlying, currency) else InstrumentKind.STOCK
    return instrument_key(
        Contract(
            kind=refers,
            symbol=underlying,
            underlying=underlying,
            multiplier=Decimal(repr(multiplier)),
            currency=currency,
            expiry=expiry,
        )
    )


def key_of_row(row: Instrument) -> str:
    """Return what ``underlying_key`` returns for a stored instrument."""
    return row.underlying_key or key_of_terms(
        kind=row.kind,
        underlying=row.underlying,
        currency=row.currency,
        expiry=row.expiry,
        multiplier=float(row.multiplier),
    )


def share_key(symbol: str, currency: str) -> str:
    """Return the identity of a share or an index, as options on it refer to it."""
    kind = InstrumentKind.OPTION.value
    return key_of_terms(kind=kind, underlying=symbol, currency=currency, expiry=None)


def spot_contract(contract: Contract) -> Contract | None:
    """Return the share, index or future under an option as a contract.

    ``None`` for other kinds, and for an option on a future whose month is unknown.
    """
    if contract.kind is InstrumentKind.FUTURE_OPTION:
        return _future_under(contract)
    if contract.kind is not InstrumentKind.OPTION:
        return None
    name = contract.underlying
    of_index = is_index(name, contract.currency)
    return Contract(
        kind=InstrumentKind.INDEX if of_index else InstrumentKind.STOCK,
        symbol=name,
        underlying=name,
        multiplier=Decimal(1),
        currency=contract.currency,
    )


def _future_under(option: Contract) -> Contract | None:
    terms = _FUTURE_KEY.fullmatch(option.underlying_key)
    if terms is None:
        return None
    expiry = future_expiry(option.underlying_key)
    names_month = is_month(option.underlying)
    return Contract(
        kind=InstrumentKind.FUTURE,
        symbol=option.underlying if names_month else f"{terms['root']} {terms['expiry']}",
        underlying=f"/{terms['root']}",
        root=terms["root"],
        multiplier=Decimal(terms["multiplier"]),
        currency=terms["currency"],
        expiry=expiry,
    )


@lru_cache(1024)
def future_expiry(key: str) -> date | None:
    """Return the day of a future's identity: that of ``future:ES:20261218:50:USD``, else none."""
    terms = _FUTURE_KEY.fullmatch(key)
    return None if terms is None else parse_clock(terms["expiry"], "%Y%m%d").date()


def is_month(name: str) -> bool:
    """Return whether it names one month of a future: ``/ESZ6``, but not ``/ESTX50``."""
    return _MONTH.fullmatch(name) is not None and name[1:] not in _NAMES


def product_name(underlying: str) -> str:
    """Return ``/ES`` for its month ``/ESZ6``, and any other name as it is."""
    month = _MONTH.fullmatch(underlying) if is_month(underlying) else None
    return f"/{month[1]}" if month else underlying


@lru_cache(1024)
def history_name(*, kind: str, underlying: str, currency: str) -> str:
    """Return the name of an underlying's closes and beta, and of its row in every total.

    A share or index in US dollars has its symbol (``SPY``), in another currency that too
    (``Z:GBP``), and every month of a future its product (``/ES``).
    """
    if kind in _DATED or underlying.startswith("/"):
        return "/" + product_name(underlying).removeprefix("/")
    return underlying if currency.upper() == "USD" else f"{underlying}:{currency.upper()}"
