"""Our contracts as Tastytrade's symbols."""

from __future__ import annotations

import re

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.occ import OptionSymbol, OptionSymbolError
from portfolio.brokers.tastytrade.contracts import CURRENCY, SOURCE
from portfolio.brokers.tastytrade.future_symbols import FUTURE


def tastytrade_symbol(contract: Contract) -> str | None:
    """Return Tastytrade's symbol of a contract; ``None`` if it does not trade it.

    Uses the alias if there is one, otherwise spells out options and equities, so that contracts
    only another broker knows can be quoted here too.
    """
    known = contract.aliases.get(SOURCE)
    if known:
        return known
    if contract.currency != CURRENCY:
        return None
    if contract.kind in (InstrumentKind.STOCK, InstrumentKind.INDEX):
        # Share classes: ``BRK B`` and ``BRK.B`` elsewhere, ``BRK/B`` here.
        return re.sub(r"[ .]", "/", contract.symbol)
    if contract.kind is InstrumentKind.OPTION:
        return _option_symbol(contract)
    is_future = contract.kind is InstrumentKind.FUTURE and FUTURE.fullmatch(contract.symbol)
    return contract.symbol if is_future else None


def _option_symbol(contract: Contract) -> str | None:
    if contract.expiry is None or contract.strike is None or contract.right is None:
        return None
    root = contract.root or contract.underlying
    share_class = re.fullmatch(r"([A-Z]+)[ ./]([A-Z])", contract.underlying)
    if share_class is not None and root == "".join(share_class.groups()):
        root = "/".join(share_class.groups())
    try:
        return OptionSymbol(root, contract.expiry, contract.right, contract.strike).occ
    except OptionSymbolError:
        return None
