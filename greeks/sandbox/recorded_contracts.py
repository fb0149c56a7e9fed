"""The contracts of a recorded chain: the file's symbols with conids made from them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.chain_file import RecordedChain
from greeks.sandbox.contracts import option_symbol
from greeks.sandbox.listing import third_friday
from greeks.sandbox.noise import one_uniform_hash
from greeks.sandbox.sessions import EXCHANGES, instant
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, UNDERLYINGS

EXCHANGE = "NYSE"
_MULTIPLIER = Decimal(100)
# Index roots whose third-Friday options settle at that day's opening.
_MORNING_SETTLED = frozenset({"SPX", "RUT", "NDX", "DJX", "VIX"})


def expiry_instant(contract: Contract) -> float:
    """Return when the option stops trading, in Unix seconds.

    That is the close, or the opening for morning settlement.
    """
    hours, expiry = EXCHANGES[EXCHANGE], contract.expiry or date.min
    morning = contract.root in _MORNING_SETTLED and (
        contract.root == "VIX" or abs((expiry - third_friday(expiry)).days) <= 1
    )
    return instant(EXCHANGE, expiry, hours.opens if morning else hours.closes)


def underlying_contract(chain: RecordedChain, seed: int) -> Contract:
    symbol, kind = chain.symbol, chain.kind
    known = INDEX_BY_SYMBOL.get(symbol)
    conid = UNDERLYINGS[known].conid if known is not None else str(_conid(seed, symbol, 0))
    return Contract(
        kind=kind,
        symbol=symbol,
        underlying=symbol,
        root=symbol,
        multiplier=Decimal(1),
        currency="USD",
        exchange=EXCHANGE,
        description=UNDERLYINGS[known].name if known is not None else symbol,
        aliases={"ibkr": conid, "tastytrade": symbol},
    )


def option_contracts(chain: RecordedChain, seed: int) -> list[Contract]:
    """Return one contract per row, in the file's order, each with its own conid."""
    taken: set[int] = set()
    contracts = []
    for option in chain.options:
        strike = Decimal(str(option.strike)).normalize() + 0
        symbol = option_symbol(option.root, option.expiry, option.right, strike)
        attempt = 1
        while (conid := _conid(seed, symbol, attempt)) in taken:
            attempt += 1
        taken.add(conid)
        contracts.append(
            Contract(
                kind=InstrumentKind.OPTION,
                symbol=symbol,
                underlying=chain.symbol,
                root=option.root,
                multiplier=_MULTIPLIER,
                currency="USD",
                expiry=option.expiry,
                strike=strike,
                right=option.right,
                exchange=EXCHANGE,
                description=f"{option.root} {option.expiry:%d %b %y} {strike} "
                f"{option.right.name.title()}",
                aliases={"ibkr": str(conid), "tastytrade": symbol},
            )
        )
    return contracts


def _conid(seed: int, symbol: str, attempt: int) -> int:
    parts = [int.from_bytes(symbol[at : at + 7].encode()) for at in range(0, len(symbol), 7)]
    return 100_000_000 + int(one_uniform_hash(seed, attempt, *parts) * 900_000_000)
