"""Read a recorded option chain: Cboe's own JSON, or the normalised form of another tool.

Values are taken as they stand; missing is NaN here and ``None`` in quotes. Missing are: null and
NaN, an iv of 0, a last price, opening price or previous close of 0. A bid of 0 and a volume of 0
are values: nobody bids, nothing traded. Rows that expired on the file's day are kept, and roots
(RUT and RUTW) stay apart. An impossible number is missing; an impossible Greek costs the row's
Greeks.

Cboe's ``timestamp`` names no zone. It is read as UTC: the same file gives ``last_trade_time`` in
New York time, its latest trades are at the session's close, and only in UTC does the stamp fall in
the evening of that same session day, whose expired options are still in the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from greeks.chains import Floats, is_impossible
from greeks.domain import InstrumentKind, Right
from greeks.pricing.quotes import is_two_sided

logger = structlog.get_logger(__name__)

#: Numbers of a row, in the order of ``RecordedChain.numbers``; NaN where missing.
NUMBERS = (
    "bid",
    "ask",
    "last",
    "mark",
    "opening_price",
    "previous_close",
    "volume",
    "open_interest",
    "implied_volatility",
    "delta",
    "gamma",
    "theta",
    "vega",
    "rho",
)
_CBOE_NAMES = {
    "last": "last_trade_price",
    "opening_price": "open",
    "previous_close": "prev_day_close",
    "implied_volatility": "iv",
}
_NORMALISED_NAMES = {
    "mark": "mid",
    "open_interest": "openInterest",
    "implied_volatility": "iv",
}
_GREEKS = ("delta", "gamma", "theta", "vega", "rho")
_ZERO_IS_MISSING = frozenset({"last", "opening_price", "previous_close", "implied_volatility"})


class ChainFileError(ValueError):
    """The chain file cannot be used. The message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class RecordedOption:
    """Identity of a row."""

    root: str
    expiry: date
    right: Right
    strike: float


@dataclass(frozen=True, slots=True)
class RecordedChain:
    """A file's content. ``numbers`` maps each name of ``NUMBERS`` to a column in row order;
    ``spot_numbers`` are those of the underlying.
    """

    symbol: str
    kind: InstrumentKind
    as_of: datetime
    spot: float
    options: tuple[RecordedOption, ...]
    numbers: Mapping[str, Floats]
    spot_numbers: Mapping[str, float]


def read_chain_file(path: str | Path) -> RecordedChain:
    """Read the chain in the file. Raises :class:`ChainFileError` if unusable."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ChainFileError(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ChainFileError(f"{file}: cannot be read: {error}") from error
    if not text.strip():
        raise ChainFileError(f"{file}: the file is empty")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ChainFileError(
            f"{file}: not complete JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    try:
        if isinstance(content, dict) and isinstance(content.get("data"), dict):
            return _read_cboe(content)
        if isinstance(content, dict) and "quotes" in content:
            return _read_normalised(content)
    except ChainFileError as error:
        raise ChainFileError(f"{file}: {error}") from None
    raise ChainFileError(
        f'{file}: neither Cboe\'s JSON (an object "data" with "options") nor the normalised form '
        '(a list "quotes")'
    )


def _read_cboe(content: Mapping[str, Any]) -> RecordedChain:
    data = content["data"]
    rows, options = _usable(
        data.get("options"),
        "data.options",
        _CBOE_NAMES,
        lambda row, where: _read_symbol(row.get("option"), f"{where}.option"),
    )
    symbol = str(data.get("symbol") or content.get("symbol") or "").lstrip("^_")
    spot_numbers = {
        name: _number(data.get(key), f"data.{key}", zero_is_missing=True)
        for name, key in (
            ("bid", "bid"),
            ("ask", "ask"),
            ("opening_price", "open"),
            ("previous_close", "prev_day_close"),
            ("volume", "volume"),
        )
    }
    index = data.get("security_type") == "index" or str(content.get("symbol", "")).startswith("_")
    return RecordedChain(
        symbol=_required(symbol, "data.symbol"),
        kind=InstrumentKind.INDEX if index else InstrumentKind.STOCK,
        as_of=_instant(content.get("timestamp"), "timestamp"),
        spot=_spot(data.get("current_price"), "data.current_price"),
        options=options,
        numbers=_with_marks(_columns(rows, _CBOE_NAMES)),
        spot_numbers=spot_numbers,
    )


def _read_normalised(content: Mapping[str, Any]) -> RecordedChain:
    rows, options = _usable(content["quotes"], "quotes", _NORMALISED_NAMES, _read_normalised_option)
    return RecordedChain(
        symbol=_required(str(content.get("symbol") or ""), "symbol"),
        kind=InstrumentKind.STOCK,
        as_of=_instant(content.get("updated"), "updated"),
        spot=_spot(content.get("underlyingPrice"), "underlyingPrice"),
        options=options,
        numbers=_columns(rows, _NORMALISED_NAMES),
        spot_numbers={},
    )


def _read_normalised_option(row: Mapping[str, Any], where: str) -> RecordedOption:
    option = _read_symbol(row.get("symbol"), f"{where}.symbol")
    if row.get("expiration") != option.expiry.isoformat() or row.get("strike") != option.strike:
        raise ChainFileError(
            f"{where}: expiration {row.get('expiration')!r} and strike {row.get('strike')!r} "
            f"are not those of its symbol {row.get('symbol')!r}"
        )
    return option


def _usable(
    value: Any,
    where: str,
    names: Mapping[str, str],
    read: Callable[[Mapping[str, Any], str], RecordedOption],
) -> tuple[list[Mapping[str, Any]], tuple[RecordedOption, ...]]:
    """Return the readable rows and their options, each option once.

    Bad rows are left out and counted in the log. Raises the first one's fault if none is left.
    """
    if not isinstance(value, list) or not value:
        raise ChainFileError(f"{where} holds no options")
    found: dict[RecordedOption, Mapping[str, Any]] = {}
    faults: list[ChainFileError] = []
    for number, row in enumerate(value):
        place = f"{where}[{number}]"
        try:
            if not isinstance(row, dict):
                raise ChainFileError(f"{place} is not an object: {str(row)[:40]!r}")
            option = read(row, place)
            for name in NUMBERS:
                key = names.get(name, name)
                _number(row.get(key), f"{place}.{key}", zero_is_missing=False)
            if option in found:
                raise ChainFileError(f"the option {option} is there twice")
        except ChainFileError as fault:
            faults.append(fault)
            continue
        found[option] = row
    if not found:
        raise faults[0]
    if faults:
        logger.warning("chain_file_rows_left_out", count=len(faults), first=str(faults[0]))
    return list(found.values()), tuple(found)


def _required(text: str, where: str) -> str:
    if not text:
        raise ChainFileError(f"{where} is missing")
    return text


def _instant(value: Any, where: str) -> datetime:
    if not isinstance(value, str):
        raise ChainFileError(f"{where}, the time of the quotes, is missing")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ChainFileError(f"{where} is not a time: {value[:40]!r}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _spot(value: Any, where: str) -> float:
    number = _number(value, where, zero_is_missing=True)
    if not number > 0.0:
        raise ChainFileError(f"{where}, the underlying's price, is missing or not positive")
    return number


def _number(value: Any, where: str, *, zero_is_missing: bool) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ChainFileError(f"{where} is not a number: {str(value)[:40]!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise ChainFileError(f"{where} is not a finite number")
    return math.nan if zero_is_missing and number == 0.0 else number


def _columns(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Floats]:
    columns = {}
    for name in NUMBERS:
        key = names.get(name, name)
        missing = name in _ZERO_IS_MISSING
        columns[name] = np.array(
            [_number(row.get(key), key, zero_is_missing=missing) for row in rows]
        )
    wild = np.zeros(len(rows), dtype=np.bool_)
    for name, column in columns.items():
        impossible = is_impossible(name, column) & ~np.isnan(column)
        column[impossible] = np.nan
        if name in _GREEKS:
            wild |= impossible
    for name in _GREEKS:
        columns[name][wild] = np.nan
    return columns


def _with_marks(numbers: dict[str, Floats]) -> dict[str, Floats]:
    """Cboe's file has no mark: use the middle of a two-sided market."""
    bid, ask = numbers["bid"], numbers["ask"]
    return numbers | {
        "mark": np.where(is_two_sided(bid, ask), np.round(0.5 * (bid + ask), 6), np.nan)
    }


def _read_symbol(value: Any, where: str) -> RecordedOption:
    text = value if isinstance(value, str) else ""
    root, tail = text[:-15].strip(), text[-15:]
    try:
        expiry = datetime.strptime(tail[:6], "%y%m%d").replace(tzinfo=UTC).date()
        right = Right(tail[6:7])
        strike = int(tail[7:]) / 1000.0
    except ValueError:
        root = ""
        expiry, right, strike = date.min, Right.CALL, 0.0
    if not root or strike <= 0.0:
        raise ChainFileError(f"{where} is not an OCC option symbol: {str(value)[:40]!r}")
    return RecordedOption(root, expiry, right, strike)
