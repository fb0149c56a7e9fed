"""DxFeed events of the simulated market: fields in the server's own order, and their values.

Field names and types are dxFeed's (https://docs.dxfeed.com/dxfeed/api/, package ``event.market``
and ``event.option``). Unknown numbers are the text ``"NaN"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.occ import OptionSymbolError, parse_streamer
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from portfolio.sandbox.tastytrade.instruments import NEW_YORK, is_traded

NAN: Final = "NaN"
#: The server's own order of fields; no client uses it.
EVENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Quote": (
        "eventSymbol", "eventTime", "sequence", "timeNanoPart", "bidTime", "bidExchangeCode",
        "bidPrice", "bidSize", "askTime", "askExchangeCode", "askPrice", "askSize",
    ),
    "Greeks": (
        "eventSymbol", "eventTime", "eventFlags", "index", "time", "sequence", "price",
        "volatility", "delta", "gamma", "theta", "rho", "vega",
    ),
    "Trade": (
        "eventSymbol", "eventTime", "time", "timeNanoPart", "sequence", "exchangeCode", "price",
        "change", "size", "dayId", "dayVolume", "dayTurnover", "tickDirection",
        "extendedTradingHours",
    ),
    "Summary": (
        "eventSymbol", "eventTime", "dayId", "dayOpenPrice", "dayHighPrice", "dayLowPrice",
        "dayClosePrice", "dayClosePriceType", "prevDayId", "prevDayClosePrice",
        "prevDayClosePriceType", "prevDayVolume", "openInterest",
    ),
    "Profile": (
        "eventSymbol", "eventTime", "description", "shortSaleRestriction", "tradingStatus",
        "statusReason", "haltStartTime", "haltEndTime", "highLimitPrice", "lowLimitPrice",
        "high52WeekPrice", "low52WeekPrice", "beta", "earningsPerShare", "dividendFrequency",
        "exDividendAmount", "exDividendDayId", "shares", "freeFloat",
    ),
}  # fmt: skip

Event = dict[str, Any]
_FUTURE_OPTION = re.compile(r"\./(?P<code>[A-Z]+\d+)(?P<terms>[CP][\d.]+):XCME")


def contract_of(market: Market, symbol: str) -> Contract | None:
    """Return a streamer symbol's contract, or ``None``: then no event is sent."""
    if symbol.startswith("./"):
        found = _future_option(market, symbol)
    elif symbol.startswith("."):
        try:
            found = market.contract(parse_streamer(symbol).occ)
        except OptionSymbolError:
            return None
    else:
        # A future's name has its exchange behind it.
        found = None if symbol.isdecimal() else market.contract(symbol.partition(":")[0])
        if found is not None and found.is_option:
            return None
    return found if is_traded(found) else None


def _future_option(market: Market, symbol: str) -> Contract | None:
    """Return the contract of ``./MESZ6P6500:XCME``: it expires with its future."""
    matched = _FUTURE_OPTION.fullmatch(symbol)
    future = market.contract(f"/{matched['code']}") if matched else None
    if matched is None or future is None:
        return None
    code, terms = matched["code"], f"{future.expiry:%y%m%d}{matched['terms']}"
    return market.contract(f"./{code:<5}{code:<6}{terms}")


def event_of(kind: str, symbol: str, quote: SimulatedQuote, market: Market) -> Event | None:
    """Return a quote's event as ``{field: value}``; ``None`` if the contract has none."""
    if kind == "Greeks" and not quote.contract.is_option:
        return None
    return {"eventSymbol": symbol, "eventTime": 0} | _BUILDERS[kind](quote, market)


def _quote(quote: SimulatedQuote, market: Market) -> Event:
    # Whole seconds, as in exchanges' quote times.
    moment = _milliseconds(quote.as_of) // 1000 * 1000
    depth = (quote.open_interest or quote.volume or 0) % 90 + 1
    return {
        "sequence": 0,
        "timeNanoPart": 0,
        "bidTime": moment,
        "bidExchangeCode": "Q",
        "bidPrice": _number(quote.bid),
        "bidSize": NAN if quote.bid is None else float(depth),
        "askTime": moment,
        "askExchangeCode": "Q",
        "askPrice": _number(quote.ask),
        "askSize": NAN if quote.ask is None else float(91 - depth),
    }


def _greeks(quote: SimulatedQuote, market: Market) -> Event:
    moment = _milliseconds(quote.as_of)
    return {
        "eventFlags": 0,
        "index": (moment // 1000) << 32,
        "time": moment,
        "sequence": 0,
        "price": _number(quote.mark),
        "volatility": _number(quote.implied_volatility),
        "delta": _number(quote.delta),
        "gamma": _number(quote.gamma),
        "theta": _number(quote.theta),
        "rho": _number(quote.rho),
        "vega": _number(quote.vega),
    }


def _trade(quote: SimulatedQuote, market: Market) -> Event:
    return {
        "time": _milliseconds(quote.as_of),
        "timeNanoPart": 0,
        "sequence": 0,
        "exchangeCode": "Q",
        "price": _number(quote.last),
        "change": NAN,
        "size": 1.0,
        "dayId": _day(market.session_open()),
        "dayVolume": NAN if quote.volume is None else float(quote.volume),
        "dayTurnover": NAN,
        "tickDirection": "UNDEFINED",
        "extendedTradingHours": False,
    }


def _summary(quote: SimulatedQuote, market: Market) -> Event:
    seen = [p for p in (quote.opening_price, quote.last, quote.mark) if p is not None]
    return {
        "dayId": _day(market.session_open()),
        "dayOpenPrice": _number(quote.opening_price),
        "dayHighPrice": _number(max(seen, default=None)),
        "dayLowPrice": _number(min(seen, default=None)),
        "dayClosePrice": NAN,
        "dayClosePriceType": "UNDEFINED",
        "prevDayId": _day(market.previous_close_at()),
        "prevDayClosePrice": _number(quote.previous_close),
        "prevDayClosePriceType": "FINAL",
        "prevDayVolume": NAN,
        # Shares and indices have none; the vendor sends zero.
        "openInterest": quote.open_interest or 0,
    }


def _profile(quote: SimulatedQuote, market: Market) -> Event:
    kind = quote.contract.kind
    return {
        "description": quote.contract.description or quote.contract.symbol,
        "shortSaleRestriction": "INACTIVE" if kind is InstrumentKind.STOCK else "UNDEFINED",
        "tradingStatus": "ACTIVE",
        "statusReason": None,
        "haltStartTime": 0,
        "haltEndTime": 0,
        "exDividendDayId": 0,
    } | dict.fromkeys(
        (
            "highLimitPrice", "lowLimitPrice", "high52WeekPrice", "low52WeekPrice", "beta",
            "earningsPerShare", "dividendFrequency", "exDividendAmount", "shares", "freeFloat",
        ),
        NAN,
    )  # fmt: skip


_BUILDERS: Final[Mapping[str, Callable[[SimulatedQuote, Market], Event]]] = {
    "Quote": _quote,
    "Greeks": _greeks,
    "Trade": _trade,
    "Summary": _summary,
    "Profile": _profile,
}


def _number(value: float | None) -> float | str:
    return NAN if value is None else round(value, 9)


def _milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _day(moment: datetime) -> int:
    return (moment.astimezone(NEW_YORK).date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
