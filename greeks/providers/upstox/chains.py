"""Upstox's option chain in the desk's columns.

As sent: volume and open interest in units of the underlying (not lots), implied volatility in
percent, delta and gamma per 1 of the underlying, theta per calendar day (a 365th of a year) and
vega per percentage point. A test recomputes the documentation's samples from their own volatility.
A contract with no volatility and zero theta, gamma and vega was not computed, whatever its delta
says. The chain carries no time: it is as old as its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from config.core.errors import MalformedResponse
from config.core.http.responses import Answer
from greeks.chains import OptionChain
from greeks.domain import RejectedRow
from greeks.providers.chain_columns import KIND, NUMBERS, ChainRows, cell, forget_uncomputed
from greeks.providers.decoding import parse_float, rejected_row
from greeks.providers.upstox.names import SOURCE

_VOLATILITY: Final = NUMBERS.index("implied_volatility")
_SIDES: Final = ("call_options", "put_options")


class MarketData(msgspec.Struct, gc=False):
    bid_price: float | None = None
    ask_price: float | None = None
    ltp: float | None = None
    close_price: float | None = None
    volume: float | None = None
    oi: float | None = None
    prev_oi: float | None = None


class OptionGreeks(msgspec.Struct, gc=False):
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


class Side(msgspec.Struct, gc=False):
    """The call or the put of a strike."""

    instrument_key: str = ""
    market_data: MarketData | None = None
    option_greeks: OptionGreeks | None = None

    @property
    def is_listed(self) -> bool:
        return bool(self.instrument_key or self.market_data)


class Strike(msgspec.Struct, gc=False):
    strike_price: float
    expiry: str = ""
    underlying_key: str = ""
    underlying_spot_price: float | None = None
    call_options: Side | None = None
    put_options: Side | None = None


class _StrikeWithAnySides(msgspec.Struct):
    """A strike with something malformed: the rest is still read."""

    strike_price: float
    expiry: str = ""
    underlying_key: str = ""
    underlying_spot_price: Any = None
    call_options: Any = None
    put_options: Any = None


class _ChainAnswer(msgspec.Struct):
    data: list[Strike]


class _Contract(NamedTuple):
    """One contract as read."""

    strike: Strike | _StrikeWithAnySides
    side_name: str
    side: Side


_decoder = msgspec.json.Decoder(_ChainAnswer)
# In the order of NUMBERS.
_market_numbers = attrgetter(*MarketData.__struct_fields__)
_greek_numbers = attrgetter(*OptionGreeks.__struct_fields__)
_NO_MARKET, _NO_GREEKS = MarketData(), OptionGreeks()


def decode_chain(
    answer: Answer, *, instrument_key: str, expiry: date, as_of: datetime
) -> OptionChain:
    """Return the chain in an answer.

    Raises ``MalformedResponse`` if it holds no usable contract.
    """
    rejected: list[RejectedRow] = []
    try:
        read = _contracts(_decoder.decode(answer.body).data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Something is malformed: find it and read the rest.
        read = list(_readable(rows_of_answer(answer), rejected))
    read = _asked_for(read, instrument_key, expiry, rejected)
    numbers = np.array(
        [
            (
                *_market_numbers(side.market_data or _NO_MARKET),
                *_greek_numbers(side.option_greeks or _NO_GREEKS),
            )
            for _, _, side in read
        ],
        dtype=np.float64,
    ).reshape(len(read), len(NUMBERS))
    numbers = np.ascontiguousarray(numbers.T)
    forget_uncomputed(numbers)
    numbers[_VOLATILITY] /= 100.0
    rows = ChainRows(
        keys=[side.instrument_key for _, _, side in read],
        strike=np.array([strike.strike_price for strike, _, _ in read], dtype=np.float64),
        is_call=np.array([name == _SIDES[0] for _, name, _ in read], dtype=np.bool_),
        numbers=numbers,
        payload=lambda index: _payload(read[index]),
        rejected=rejected,
    )
    return rows.to_chain(
        source=SOURCE, instrument_key=instrument_key, expiry=expiry, as_of=as_of, spot=_spot(read)
    )


def rows_of_answer(answer: Answer) -> list[Any]:
    """Return the rows under ``data``. Raises ``MalformedResponse`` if there is no such list."""
    body = answer.json()
    rows = body.get("data") if isinstance(body, Mapping) else None
    if isinstance(rows, list):
        return rows
    raise MalformedResponse(f"{answer.what}: the answer holds no list of data.", provider=SOURCE)


def _contracts(strikes: Iterable[Strike]) -> list[_Contract]:
    return [
        _Contract(strike, name, side)
        for strike in strikes
        for name, side in zip(_SIDES, (strike.call_options, strike.put_options), strict=True)
        if side is not None and side.is_listed
    ]


def _readable(rows: Iterable[Any], rejected: list[RejectedRow]) -> Iterator[_Contract]:
    """Yield the contracts that malformed rows still name, without their malformed cells.

    The others are rejected with a reason.
    """
    for row in rows:
        try:
            strike = msgspec.convert(row, _StrikeWithAnySides)
        except msgspec.ValidationError as error:
            rejected += [rejected_row(KIND, str(error), part) for part in _parts(row)]
            continue
        strike.underlying_spot_price = cell(parse_float, strike.underlying_spot_price)
        for name in _SIDES:
            sent = getattr(strike, name)
            if sent is None:
                continue
            try:
                side = msgspec.convert(_salvaged(sent), Side)
            except msgspec.ValidationError as error:
                rejected.append(rejected_row(KIND, f"{name}: {error}", _only(row, name)))
                continue
            if side.is_listed:
                yield _Contract(strike, name, side)


def _salvaged(sent: object) -> object:
    """Return a side with ``None`` for numbers that are none and parts that are no objects."""
    if not isinstance(sent, Mapping):
        return sent
    return {
        **sent,
        "market_data": _numbers_of(sent.get("market_data"), MarketData),
        "option_greeks": _numbers_of(sent.get("option_greeks"), OptionGreeks),
    }


def _numbers_of(part: object, shape: type[MarketData | OptionGreeks]) -> object:
    if not isinstance(part, Mapping):
        return None
    return {name: cell(parse_float, part.get(name)) for name in shape.__struct_fields__}


def _parts(row: Any) -> list[Any]:
    """Return a row once for each contract in it; whole if there is none."""
    if not isinstance(row, Mapping):
        return [row]
    return [_only(row, name) for name in _SIDES if row.get(name) is not None] or [row]


def _only(row: Mapping[str, Any], side_name: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SIDES or name == side_name}


def _asked_for(
    read: list[_Contract], instrument_key: str, expiry: date, rejected: list[RejectedRow]
) -> list[_Contract]:
    """Keep the contracts of the requested chain; reject others."""
    days, keys = (expiry.isoformat(), ""), (instrument_key, "")
    kept = []
    for contract in read:
        strike = contract.strike
        if strike.expiry in days and strike.underlying_key in keys:
            kept.append(contract)
            continue
        reason = f"expiry: {strike.expiry!a:.40} of {strike.underlying_key!a:.60} was not asked for"
        rejected.append(rejected_row(KIND, reason, _payload(contract)))
    return kept


def _spot(read: Iterable[_Contract]) -> float | None:
    """Return the underlying's level: every row repeats it."""
    return next(
        (spot for strike, _, _ in read if (spot := strike.underlying_spot_price or 0.0) > 0.0), None
    )


def _payload(contract: _Contract) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(contract.strike)
    return _only(row, contract.side_name)
