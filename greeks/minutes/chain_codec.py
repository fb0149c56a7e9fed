"""A chain's body packed into columns for the history: an eighth of its JSON.

Prices, volatilities and Greeks keep seven digits (float32); strikes, volumes and open interest keep
all. Each column's bytes are grouped by significance, which makes them compress well.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from greeks.polling.shapes import Contract, MarketChain, Strike

_SEVEN_DIGITS = ("bid", "ask", "last", "iv", "delta", "gamma", "theta", "vega")
_ALL_DIGITS = ("volume", "open_interest", "previous_open_interest")
_LEVEL = 6


class _Packed(msgspec.Struct, array_like=True):
    """A body without its strikes, and the contracts as columns: ``is_call`` and ``sources`` hold a
    byte each, the place in ``names``; the others little-endian floats."""

    head: MarketChain
    keys: list[str]
    names: list[str | None]
    is_call: bytes
    sources: bytes
    strikes: bytes
    seven_digits: bytes
    all_digits: bytes


_decoder = msgspec.msgpack.Decoder(_Packed)
_json = msgspec.json.Decoder(MarketChain)


def pack_chain(body: str | bytes) -> bytes:
    """Pack the JSON of a chain. Raises ``msgspec.DecodeError`` if it is none."""
    chain = _json.decode(body)
    rows = [
        (row.strike, is_call, contract)
        for row in chain.strikes
        for is_call, contract in ((1, row.call), (0, row.put))
        if contract is not None
    ]
    contracts = [contract for _, _, contract in rows]
    names = list(dict.fromkeys(contract.greeks_source for contract in contracts))
    packed = _Packed(
        head=replace(chain, strikes=[]),
        keys=[contract.key for contract in contracts],
        names=names,
        is_call=bytes(is_call for _, is_call, _ in rows),
        sources=bytes(names.index(contract.greeks_source) for contract in contracts),
        strikes=_grouped([[strike for strike, _, _ in rows]], "<f8"),
        seven_digits=_grouped(_columns(contracts, _SEVEN_DIGITS), "<f4"),
        all_digits=_grouped(_columns(contracts, _ALL_DIGITS), "<f8"),
    )
    return zlib.compress(msgspec.msgpack.encode(packed), _LEVEL)


def unpack_chain(packed: bytes) -> MarketChain:
    """Return the chain. Raises ``msgspec.DecodeError`` or ``zlib.error`` if it is damaged."""
    found = _decoder.decode(zlib.decompress(packed))
    count = len(found.keys)
    strikes = _numbers(found.strikes, "<f8", count)[0]
    sources = [found.names[place] for place in found.sources]
    columns = {
        **dict(
            zip(_SEVEN_DIGITS, _numbers(found.seven_digits, "<f4", count), strict=True),
        ),
        **dict(zip(_ALL_DIGITS, _numbers(found.all_digits, "<f8", count), strict=True)),
    }
    rows: list[Strike] = []
    for place, (strike, is_call) in enumerate(zip(strikes, found.is_call, strict=True)):
        if not rows or rows[-1].strike != strike:
            rows.append(Strike(strike, None, None))
        contract = Contract(
            key=found.keys[place],
            greeks_source=sources[place],
            **{name: values[place] for name, values in columns.items()},
        )
        if is_call:
            rows[-1].call = contract
        else:
            rows[-1].put = contract
    return replace(found.head, strikes=rows)


def _columns(contracts: Sequence[Contract], names: Iterable[str]) -> list[list[float]]:
    return [
        [
            math.nan if (value := getattr(contract, name)) is None else value
            for contract in contracts
        ]
        for name in names
    ]


def _grouped(columns: Sequence[Sequence[float | None]], kind: str) -> bytes:
    """Return columns as bytes: of each column all first bytes, then all second ones, …"""
    values = np.array(columns, dtype=kind)
    parts = values.view(np.uint8).reshape(*values.shape, values.itemsize)
    return parts.transpose(0, 2, 1).tobytes()


def _numbers(grouped: bytes, kind: str, count: int) -> list[list[Any]]:
    size = np.dtype(kind).itemsize
    parts = np.frombuffer(grouped, dtype=np.uint8).reshape(-1, size, count)
    values = np.ascontiguousarray(parts.transpose(0, 2, 1)).view(kind)[..., 0]
    # The shortest decimal that is this float32: 26123.45, not 26123.44921875.
    texts = values.astype(str) if size == 4 else values
    return [
        [None if math.isnan(number) else number for number in map(float, column)]
        for column in texts.tolist()
    ]
