"""Cboe's file of delayed quotes: every option of a symbol, all expiries and roots together.

As sent: volume and open interest count contracts, implied volatility is a fraction and 0 if
missing, delta and gamma per 1 of the underlying, theta per calendar day, vega per percentage
point; Greeks are rounded to four places. An option is named by its OCC symbol without padding.
Options that expired today are still listed. ``timestamp`` has no zone: it is UTC (a file's latest
trades lie at New York's close, and only in UTC does its stamp fall in that evening).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.core.errors import MalformedResponse
from config.core.http.responses import Answer
from greeks.chains import Flags, Floats, OptionChain
from greeks.domain import GreeksSource, RejectedRow
from greeks.instruments.occ import OptionSymbolError, parse_occ
from greeks.providers.chain_columns import KIND, NUMBERS, ChainRows, cell, forget_uncomputed
from greeks.providers.decoding import BadRow, parse_float, parse_time, rejected_row

SOURCE: Final = GreeksSource.CBOE.value


class Option(msgspec.Struct, gc=False):
    """A row. The numbers are in the order of ``NUMBERS``; the vendor has no earlier open
    interest.
    """

    option: str
    bid: float | None = None
    ask: float | None = None
    last_trade_price: float | None = None
    prev_day_close: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


class _Data(msgspec.Struct):
    options: list[Option]
    current_price: float | None = None


class _File(msgspec.Struct):
    data: _Data
    timestamp: str | None = None


_decoder = msgspec.json.Decoder(_File)
_NUMBER_FIELDS: Final = Option.__struct_fields__[1:]
_sent_numbers = attrgetter(*_NUMBER_FIELDS)
_SENT: Final = [n for n, name in enumerate(NUMBERS) if name != "previous_open_interest"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuoteFile:
    """One download in columns, a row per option. ``rejected`` are rows that name no option."""

    as_of: datetime | None
    spot: float | None
    keys: Sequence[str]
    #: Ordinal of the expiry day, and a number for the root.
    expiry: NDArray[np.int64]
    series: NDArray[np.int64]
    strike: Floats
    is_call: Flags
    numbers: Floats
    rejected: tuple[RejectedRow, ...]

    def expiries(self) -> tuple[date, ...]:
        return tuple(map(date.fromordinal, np.unique(self.expiry).tolist()))

    def chain(self, instrument_key: str, expiry: date, *, as_of: datetime) -> OptionChain:
        """Return the options of one expiry, of all roots.

        ``as_of``: used if the file gives no time. Raises ``MalformedResponse`` if none is usable.
        """
        places = np.flatnonzero(self.expiry == expiry.toordinal())
        keys = [self.keys[place] for place in places.tolist()]
        numbers = self.numbers[:, places]
        sent = numbers.copy()
        forget_uncomputed(numbers)

        def payload(index: int) -> dict[str, Any]:
            return {"option": keys[index]} | dict(
                zip(NUMBERS, sent[:, index].tolist(), strict=True)
            )

        rows = ChainRows(
            keys=keys,
            strike=self.strike[places],
            is_call=self.is_call[places],
            numbers=numbers,
            payload=payload,
            series=self.series[places],
        )
        return rows.to_chain(
            source=SOURCE,
            instrument_key=instrument_key,
            expiry=expiry,
            as_of=self.as_of or as_of,
            spot=self.spot,
            counts_contracts=True,
        )


def decode_file(answer: Answer) -> QuoteFile:
    """Decode a file. Raises ``MalformedResponse`` if it is not the vendor's format."""
    rejected: list[RejectedRow] = []
    try:
        content = _decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = _readable(answer, rejected)
    options = list(_named(content.data.options, rejected))
    numbers = np.full((len(NUMBERS), len(options)), np.nan)
    if options:
        numbers[_SENT] = np.array(
            [_sent_numbers(option) for option, *_ in options], dtype=np.float64
        ).T
    roots: dict[str, int] = {}
    return QuoteFile(
        as_of=_instant(content.timestamp, answer),
        spot=content.data.current_price,
        keys=[option.option for option, *_ in options],
        expiry=np.array([expiry for _, _, expiry, _, _ in options], dtype=np.int64),
        series=np.array(
            [roots.setdefault(root, len(roots)) for _, root, *_ in options], dtype=np.int64
        ),
        strike=np.array([strike for *_, strike in options], dtype=np.float64),
        is_call=np.array([is_call for _, _, _, is_call, _ in options], dtype=np.bool_),
        numbers=numbers,
        rejected=tuple(rejected),
    )


def _readable(answer: Answer, rejected: list[RejectedRow]) -> _File:
    """Read the file again, without malformed cells and without rows that name nothing."""
    body = answer.json()
    data = body.get("data") if isinstance(body, Mapping) else None
    rows = data.get("options") if isinstance(data, Mapping) else None
    if not isinstance(rows, list) or not isinstance(data, Mapping):
        raise MalformedResponse(f"{answer.what}: the answer holds no options.", provider=SOURCE)
    options = []
    for row in rows:
        try:
            options.append(msgspec.convert(_salvaged(row), Option))
        except msgspec.ValidationError as error:
            rejected.append(rejected_row(KIND, str(error), row))
    price, stamp = cell(parse_float, data.get("current_price")), body.get("timestamp")
    return _File(
        data=_Data(options=options, current_price=price),
        timestamp=stamp if stamp is None else str(stamp),
    )


def _salvaged(row: object) -> object:
    """Return a row with ``None`` for each number that is none."""
    if not isinstance(row, Mapping):
        return row
    return {**row, **{name: cell(parse_float, row.get(name)) for name in _NUMBER_FIELDS}}


def _named(
    options: Iterable[Option], rejected: list[RejectedRow]
) -> Iterator[tuple[Option, str, int, bool, float]]:
    """Yield each option with root, expiry's ordinal, whether it is a call, and strike."""
    days: dict[str, tuple[str, int, bool]] = {}
    for option in options:
        symbol = option.option
        head, strike = symbol[:-8], symbol[-8:]
        if head not in days or not (strike.isascii() and strike.isdecimal()):
            try:
                parsed = parse_occ(symbol)
            except OptionSymbolError as error:
                rejected.append(rejected_row(KIND, f"option: {error}", msgspec.to_builtins(option)))
                continue
            days[head] = (parsed.root, parsed.expiry.toordinal(), parsed.right == "C")
        yield option, *days[head], int(strike) / 1000.0


def _instant(stamp: str | None, answer: Answer) -> datetime | None:
    try:
        return parse_time(stamp, "timestamp")
    except BadRow as error:
        raise MalformedResponse(f"{answer.what}: {error.reason}.", provider=SOURCE) from None
