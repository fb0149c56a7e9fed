"""A quote as ticks: the tick numbers of prices, sizes and Greeks."""

from __future__ import annotations

from collections.abc import Iterator

from greeks.sandbox.quotes import SimulatedQuote
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.frames import Fields
from portfolio.sandbox.ibkr_socket.messages import Greek

BID, ASK, LAST, HIGH, LOW, CLOSE, OPEN = 1, 2, 4, 6, 7, 9, 14
VOLUME, BID_SIZE, ASK_SIZE, LAST_SIZE = 8, 0, 3, 5
BID_GREEKS, ASK_GREEKS, LAST_GREEKS, MODEL_GREEKS = 10, 11, 12, 13
#: Real-time number → delayed number.
DELAYED = {
    BID: 66,
    ASK: 67,
    LAST: 68,
    BID_SIZE: 69,
    ASK_SIZE: 70,
    LAST_SIZE: 71,
    HIGH: 72,
    LOW: 73,
    VOLUME: 74,
    CLOSE: 75,
    OPEN: 76,
    BID_GREEKS: 80,
    ASK_GREEKS: 81,
    LAST_GREEKS: 82,
    MODEL_GREEKS: 83,
}
OPTION_VOLUME, OPTION_OPEN_INTEREST, MARK_PRICE = "100", "101", "221"
_ROUND_LOT = 10
#: Decimals of computations: finer changes are not sent.
_GREEK_DECIMALS = 7


def ticks(
    request_id: int,
    quote: SimulatedQuote,
    *,
    generic: frozenset[str],
    delayed: bool,
    with_underlying: bool,
) -> Iterator[tuple[int, Fields]]:
    """Yield tick number and message of everything known about the contract now."""

    def number(tick: int) -> int:
        return DELAYED[tick] if delayed else tick

    for tick, size_tick, price in (
        (BID, BID_SIZE, quote.bid),
        (ASK, ASK_SIZE, quote.ask),
        (LAST, LAST_SIZE, quote.last),
    ):
        if price is not None:
            # Size and price come together; without a bid the size is missing and the price −1.
            size = _ROUND_LOT if price > 0.0 else 0
            told = price if price > 0.0 else -1.0
            attributes = 1 if tick != LAST else 0
            kind = number(tick)
            yield kind, messages.tick_price(request_id, kind, told, size, attributes)
            yield number(size_tick), messages.tick_size(request_id, number(size_tick), size)
    for tick, price in ((OPEN, quote.opening_price), (CLOSE, quote.previous_close)):
        if price is not None:
            yield number(tick), messages.tick_price(request_id, number(tick), price, 0, 0)
    if quote.volume is not None:
        kind = number(VOLUME)
        yield kind, messages.tick_size(request_id, kind, quote.volume)
    yield from _generic_ticks(request_id, quote, generic)
    if quote.contract.is_option:
        for tick, greek in computations(quote, with_underlying=with_underlying):
            yield number(tick), messages.option_computation(request_id, number(tick), greek)


def _generic_ticks(
    request_id: int, quote: SimulatedQuote, generic: frozenset[str]
) -> Iterator[tuple[int, Fields]]:
    is_call = quote.contract.right == "C"
    if MARK_PRICE in generic and quote.mark is not None:
        yield 37, messages.tick_price(request_id, 37, quote.mark, 0, 0)
    if not quote.contract.is_option:
        return
    if OPTION_OPEN_INTEREST in generic and quote.open_interest is not None:
        tick = 27 if is_call else 28
        yield tick, messages.tick_size(request_id, tick, quote.open_interest)
    if OPTION_VOLUME in generic and quote.volume is not None:
        tick = 29 if is_call else 30
        yield tick, messages.tick_size(request_id, tick, quote.volume)


def computations(quote: SimulatedQuote, *, with_underlying: bool) -> Iterator[tuple[int, Greek]]:
    """Yield Greeks at bid, ask, last and by the model; sentinels if the price is missing.

    The volatility at a quoted price is the model's plus the price difference over vega (the first
    step of Newton's method); the other Greeks are the model's. Without data of the underlying
    nothing can be computed.
    """
    for tick, price in (
        (BID_GREEKS, quote.bid),
        (ASK_GREEKS, quote.ask),
        (LAST_GREEKS, quote.last),
        (MODEL_GREEKS, quote.mark),
    ):
        if not with_underlying or quote.underlying_price is None:
            yield tick, Greek(option_price=price or -1.0) if tick != MODEL_GREEKS else Greek()
        elif price is None or price <= 0.0 or quote.implied_volatility is None:
            yield tick, Greek(underlying_price=quote.underlying_price)
        else:
            shift = 0.0
            if tick != MODEL_GREEKS and quote.vega and quote.mark is not None:
                shift = (price - quote.mark) / quote.vega / 100.0
            volatility = quote.implied_volatility + shift
            yield tick, _computed(quote, price, volatility)


def _computed(quote: SimulatedQuote, price: float, volatility: float) -> Greek:
    """Return the Greeks without the present value of dividends, which this market lacks."""
    values = (quote.delta, quote.gamma, quote.vega, quote.theta)
    delta, gamma, vega, theta = (
        -2.0 if value is None else round(value, _GREEK_DECIMALS) for value in values
    )
    return Greek(
        implied_volatility=round(volatility, _GREEK_DECIMALS) if volatility > 0.0 else -1.0,
        delta=delta,
        option_price=price,
        gamma=gamma,
        vega=vega,
        theta=theta,
        underlying_price=quote.underlying_price or -1.0,
    )
