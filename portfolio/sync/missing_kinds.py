"""Name the kinds of rows a broker sent of which none could be stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from greeks.domain import RejectedRow
from portfolio.book.checked import Checked, CheckedPositions
from portfolio.domain import BrokerOrder

KIND_NOT_STORED = "kind_not_stored"
#: Where vendors say a row's kind: Tastytrade, the Client Portal, the socket.
_KIND_FIELDS = ("instrument-type", "assetClass", "secType")


def kinds_not_stored(
    positions: CheckedPositions, orders: Checked[BrokerOrder] | None
) -> tuple[str, ...]:
    """Return a sentence for each kind received and not stored, with the reason of its first row.

    Kinds are the vendor's own words, which kept and refused rows share. A row without a word counts
    as a position or an order.
    """
    accepted = [*positions.kept, *positions.flat]
    stored = {_word(position.raw or {}) for position in accepted}
    if accepted:
        stored.add("")
    found = list(_sentences(positions.rejected, stored, without="Positions"))
    if orders is not None and not orders.kept:
        found += _sentences(
            (RejectedRow(kind=row.kind, reason=row.reason, payload={}) for row in orders.rejected),
            set(),
            without="Orders",
        )
    return tuple(found)


def _sentences(rejected: Iterable[RejectedRow], stored: set[str], *, without: str) -> list[str]:
    counts: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for row in rejected:
        word = _word(row.payload)
        if word not in stored:
            counts[word] += 1
            reasons.setdefault(word, row.reason)
    return [
        f"{word or without}: none of {count} stored ({reasons[word]})"
        for word, count in counts.items()
    ]


def _word(payload: Mapping[str, Any]) -> str:
    for name in _KIND_FIELDS:
        value = payload.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:24]
    raw = payload.get("raw")
    return _word(raw) if isinstance(raw, Mapping) else ""
