"""Upstox's rows of option chains, listed contracts and option Greeks, from the one market.

Volume and open interest in units, implied volatility of a chain in percent to two places, Greeks
to four. The vendor computes nothing deep in the money: delta 1 or 0 and zeros. About every 23rd
contract has no open interest of the day before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from greeks.domain import Contract, Right
from greeks.sandbox.listing import is_monthly
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, UNDERLYINGS

#: The vendor's keys of the underlyings traded here.
SYMBOLS: Final = {"NSE_INDEX|Nifty 50": "NIFTY", "NSE_INDEX|Nifty Bank": "BANKNIFTY"}
KEYS: Final = {symbol: key for key, symbol in SYMBOLS.items()}
_SEGMENT: Final = "NSE_FO"
_DEEP_DELTA: Final = 0.998
_WITHOUT_PREVIOUS: Final = 23
_MONTH_LETTERS: Final = "123456789OND"
Payload = dict[str, Any]


def contract_key(contract: Contract) -> str:
    """``NSE_FO|51059``; the number is the market's own conid."""
    return f"{_SEGMENT}|{contract.aliases['ibkr']}"


def contract_of(market: Market, key: str) -> Contract | None:
    segment, _, number = key.partition("|")
    found = market.contract(int(number)) if number.isdecimal() else None
    is_ours = segment == _SEGMENT and found is not None and found.underlying in KEYS
    return found if is_ours and found is not None and found.is_option else None


def chain_rows(
    market: Market,
    contracts: Sequence[Contract],
    previous_interest: Sequence[int | None],
    seconds: float,
) -> list[Payload]:
    """Return one row per strike. ``contracts`` ascend by strike, the call before the put."""
    if not contracts:
        return []
    underlying = market.underlying(contracts[0].underlying)
    spot, *quotes = market.quotes([underlying, *contracts], seconds)
    sides = [
        _side(quote, interest) for quote, interest in zip(quotes, previous_interest, strict=True)
    ]
    rows = []
    for number in range(0, len(contracts), 2):
        call, put = sides[number], sides[number + 1]
        calls, puts = call["market_data"]["oi"], put["market_data"]["oi"]
        rows.append(
            {
                "expiry": str(contracts[number].expiry),
                "pcr": round(puts / calls, 4) if calls else 0.0,
                "strike_price": float(contracts[number].strike or 0),
                "underlying_key": KEYS[underlying.symbol],
                "underlying_spot_price": round(spot.mark or 0.0, 2),
                "call_options": call,
                "put_options": put,
            }
        )
    return rows


def previous_interest(market: Market, contracts: Sequence[Contract]) -> list[int | None]:
    """Open interest of the session before, in units; ``None`` if the vendor has none."""
    before = market.session("NSE").previous_close_at - 60.0
    return [
        None
        if int(quote.contract.aliases["ibkr"]) % _WITHOUT_PREVIOUS == 0
        else _units(quote.open_interest, quote.contract)
        for quote in market.quotes(contracts, before)
    ]


def _side(quote: SimulatedQuote, previous: int | None) -> Payload:
    contract, lot = quote.contract, int(quote.contract.multiplier)
    volume, interest = _units(quote.volume, contract), _units(quote.open_interest, contract)
    return {
        "instrument_key": contract_key(contract),
        "market_data": {
            "ltp": quote.last or 0.0,
            "volume": volume,
            "oi": float(interest),
            "close_price": quote.previous_close or 0.0,
            "bid_price": quote.bid or 0.0,
            "bid_qty": lot * (1 + interest // lot % 40) if quote.bid else 0,
            "ask_price": quote.ask or 0.0,
            "ask_qty": lot * (1 + volume // lot % 40) if quote.ask else 0,
            "prev_oi": None if previous is None else float(previous),
        },
        "option_greeks": _greeks(quote),
    }


def _greeks(quote: SimulatedQuote) -> Payload:
    delta = quote.delta or 0.0
    if abs(delta) > _DEEP_DELTA or not quote.implied_volatility:
        is_call = quote.contract.right is Right.CALL
        nothing = dict.fromkeys(("vega", "theta", "gamma", "delta", "iv", "pop"), 0.0)
        return nothing | {"delta": float(is_call and delta > 0.5)}
    return {
        "vega": _rounded(quote.vega, 4),
        "theta": _rounded(quote.theta, 4),
        "gamma": _rounded(quote.gamma, 4),
        "delta": _rounded(delta, 4),
        "iv": round(100.0 * quote.implied_volatility, 2),
        # Roughly the seller's chance of a profit.
        "pop": round(100.0 * (1.0 - abs(delta)), 2),
    }


def _rounded(value: float | None, places: int) -> float:
    # Adding 0.0 drops the sign of a negative zero.
    return round(value or 0.0, places) + 0.0


def _units(contracts: int | None, contract: Contract) -> int:
    return (contracts or 0) * int(contract.multiplier)


def listed_contract(contract: Contract) -> Payload:
    """Return one row of /v2/option/contract."""
    underlying = UNDERLYINGS[INDEX_BY_SYMBOL[contract.underlying]]
    lot = int(contract.multiplier)
    kind = "CE" if contract.right is Right.CALL else "PE"
    expiry = contract.expiry or date.max
    return {
        "name": contract.underlying,
        "segment": _SEGMENT,
        "exchange": "NSE",
        "expiry": expiry.isoformat(),
        "instrument_key": contract_key(contract),
        "exchange_token": contract.aliases["ibkr"],
        "trading_symbol": (
            f"{contract.underlying} {contract.strike:f} {kind} {expiry:%d %b %y}".upper()
        ),
        "tick_size": 100 * underlying.tick,
        "lot_size": lot,
        "instrument_type": kind,
        "freeze_quantity": float(24 * lot),
        "underlying_key": KEYS[contract.underlying],
        "underlying_type": "INDEX",
        "underlying_symbol": contract.underlying,
        "strike_price": float(contract.strike or 0),
        "minimum_lot": lot,
        "weekly": not is_monthly(underlying, expiry),
    }


def option_greeks(market: Market, contracts: Sequence[Contract], seconds: float) -> Payload:
    """Return the data of /v3/market-quote/option-greek, by the contract's exchange symbol.

    Unlike in a chain, the implied volatility is an unrounded fraction.
    """
    data: Payload = {}
    for quote in market.quotes(contracts, seconds):
        contract, greeks = quote.contract, _greeks(quote)
        computed = greeks["iv"] > 0.0
        data[f"{_SEGMENT}:{_exchange_symbol(contract)}"] = {
            "last_price": quote.last or 0.0,
            "instrument_token": contract_key(contract),
            "ltq": int(contract.multiplier),
            "volume": _units(quote.volume, contract),
            "cp": quote.previous_close or 0.0,
            "iv": quote.implied_volatility if computed else 0.0,
            "vega": greeks["vega"],
            "gamma": greeks["gamma"],
            "theta": greeks["theta"],
            "delta": greeks["delta"],
            "oi": float(_units(quote.open_interest, contract)),
        }
    return data


def _exchange_symbol(contract: Contract) -> str:
    """``NIFTY25APR23000PE`` for a monthly expiry, ``NIFTY2540923000PE`` for a weekly one."""
    expiry = contract.expiry or date.max
    monthly = is_monthly(UNDERLYINGS[INDEX_BY_SYMBOL[contract.underlying]], expiry)
    month = f"{expiry:%b}" if monthly else f"{_MONTH_LETTERS[expiry.month - 1]}{expiry:%d}"
    kind = "CE" if contract.right is Right.CALL else "PE"
    return f"{contract.underlying}{expiry:%y}{month}{contract.strike:f}{kind}".upper()
