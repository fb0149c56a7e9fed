"""The contracts that a signal names: known instruments, options by their symbol, shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from config.core.errors import InvalidInput, invalid
from greeks.domain import Contract, InstrumentKind
from greeks.indices import is_index
from greeks.instruments.identity import instrument_key, plain_name
from greeks.instruments.occ import OptionSymbol, OptionSymbolError, listed_name, parse_occ
from greeks.instruments.store import contract_error, resolve_instruments
from greeks.models import Instrument
from greeks.polling.terms import LAST_ROOT
from greeks.underlyings import history_name

_SHARES: Final = Decimal(100)
_INDEX_OF: Final = {root: index for index, root in LAST_ROOT.items()}
#: Of several instruments with one symbol, which is meant.
_ORDER: Final = tuple(kind.value for kind in InstrumentKind)


def find_instruments(symbols: Sequence[tuple[str, str]]) -> list[Instrument]:
    """Return the instrument of each (field, symbol), in order. A few queries for any number.

    What the desk knows comes first; an option's OCC symbol, padded or not, and a share's ticker are
    enough to make one. Futures, their options and currencies must be known: no symbol tells their
    multiplier and expiry.

    Raises:
        InvalidInput: naming the field whose symbol means no contract.
    """
    wanted = {symbol: field for field, symbol in symbols}
    options = {symbol: option for symbol in wanted if (option := _option(symbol)) is not None}
    stored = {symbol: options[symbol].standard.occ for symbol in options}
    named = {stored.get(symbol, symbol) for symbol in wanted}
    known: dict[str, Instrument] = {}
    for row in Instrument.objects.filter(symbol__in=named).order_by("pk"):
        other = known.get(row.symbol)
        if other is None or _ORDER.index(row.kind) < _ORDER.index(other.kind):
            known[row.symbol] = row
    contracts = {
        symbol: _contract(symbol, field, options.get(symbol))
        for symbol, field in wanted.items()
        if stored.get(symbol, symbol) not in known
    }
    made = resolve_instruments(contracts.values()) if contracts else {}
    found = []
    for _, symbol in symbols:
        there = known.get(stored.get(symbol, symbol))
        # Another way to write what is known already (BRK.B, BRK B) has the same identity.
        found.append(there or made[instrument_key(contracts[symbol])])
    return found


def belongs(symbol: str, legs: Iterable[Instrument]) -> bool:
    """Return whether a signal's symbol names what its legs are of, in any usual way to
    write it: the underlying (``SPX``, ``BRK/B``, ``/ES``), a root (``SPXW``) or a leg."""
    wanted = plain_name(symbol)
    for leg in legs:
        is_dated = leg.kind in (InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION)
        # Two different things have one ticker: a share and a future.
        if symbol.startswith("/") and not is_dated:
            continue
        names = [leg.symbol, leg.underlying, leg.root]
        if is_dated:
            names.append(history_name(kind=leg.kind, underlying=leg.underlying, currency="USD"))
        if any(name and plain_name(name) == wanted for name in names):
            return True
    return False


def listed_symbol(symbol: str) -> str:
    """Return a symbol as contracts are listed by it: an option's is padded, others stay."""
    option = _option(symbol)
    return symbol if option is None else option.standard.occ


def _option(symbol: str) -> OptionSymbol | None:
    try:
        return parse_occ(symbol)
    except OptionSymbolError:
        return None


def _contract(symbol: str, field: str, option: OptionSymbol | None) -> Contract:
    if option is not None:
        standard = option.standard
        contract = Contract(
            kind=InstrumentKind.OPTION,
            symbol=standard.occ,
            underlying=_INDEX_OF.get(standard.root, listed_name(standard.root)),
            root=standard.root,
            expiry=option.expiry,
            strike=option.strike,
            right=option.right,
            multiplier=_SHARES,
            currency="USD",
        )
    elif symbol.replace(".", "").replace(" ", "").isalnum() and len(symbol) <= 12:
        contract = Contract(
            kind=InstrumentKind.INDEX if is_index(symbol) else InstrumentKind.STOCK,
            symbol=symbol,
            underlying=symbol,
            multiplier=Decimal(1),
            currency="USD",
        )
    else:
        problem = "No contract of this symbol is known: futures and currencies must be held first."
        raise invalid(field, problem)
    error = contract_error(contract)
    if error is not None:
        raise InvalidInput(f"{field}: {error}.", fields={field: error})
    return contract
