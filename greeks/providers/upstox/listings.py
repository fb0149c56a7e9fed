"""Which expiries Upstox lists for an underlying, and the units in one of their contracts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Final

import msgspec

from config.core.http.responses import Answer
from greeks.chains import ListedExpiry, Listing
from greeks.domain import RejectedRow
from greeks.providers.decoding import rejected_row
from greeks.providers.upstox.chains import rows_of_answer
from greeks.providers.upstox.names import SOURCE

_KIND: Final = "listed_contract"
_LARGEST_LOT: Final = 1_000_000


class ListedContract(msgspec.Struct, gc=False):
    expiry: date
    lot_size: int
    weekly: bool | None = None


class _ListingAnswer(msgspec.Struct):
    data: list[ListedContract]


_decoder = msgspec.json.Decoder(_ListingAnswer)


def decode_listing(answer: Answer, *, instrument_key: str, as_of: datetime) -> Listing:
    """Return the expiries of all listed contracts, soonest first; empty if there are none.

    Raises ``MalformedResponse`` if the answer is not a listing.
    """
    rejected: list[RejectedRow] = []
    try:
        contracts = _decoder.decode(answer.body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        contracts = list(_readable(rows_of_answer(answer), rejected))
    return Listing(
        source=SOURCE,
        instrument_key=instrument_key,
        expiries=tuple(_expiries(contracts, rejected)),
        as_of=as_of,
        rejected=tuple(rejected),
    )


def _readable(rows: Iterable[object], rejected: list[RejectedRow]) -> Iterator[ListedContract]:
    for row in rows:
        try:
            yield msgspec.convert(row, ListedContract, strict=False)
        except msgspec.ValidationError as error:
            rejected.append(rejected_row(_KIND, str(error), row))


def _expiries(
    contracts: Iterable[ListedContract], rejected: list[RejectedRow]
) -> Iterator[ListedExpiry]:
    by_expiry: dict[date, list[ListedContract]] = {}
    for contract in contracts:
        if 0 < contract.lot_size < _LARGEST_LOT:
            by_expiry.setdefault(contract.expiry, []).append(contract)
        else:
            reason = f"lot_size: {contract.lot_size} is not a lot"
            rejected.append(rejected_row(_KIND, reason, msgspec.to_builtins(contract)))
    for expiry, listed in sorted(by_expiry.items()):
        # The exchange changes lots with new contracts: an expiry has one size, except adjusted
        # contracts.
        [(lot_size, _)] = Counter(contract.lot_size for contract in listed).most_common(1)
        yield ListedExpiry(expiry=expiry, lot_size=lot_size, is_weekly=listed[0].weekly)
