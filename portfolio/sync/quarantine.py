"""Keep rows that failed validation, with the reason: nothing a broker sent is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from greeks.domain import RejectedRow
from greeks.providers.decoding import storable
from portfolio.models import QuarantinedRow

# Fields that identify a row when it comes again, whatever its prices.
IDENTITY_FIELDS = ("conid", "symbol", "instrument-symbol", "broker_order_id", "orderId", "id")
LONGEST_PAYLOAD = 8_000


def identities_named(payload: Mapping[str, Any]) -> frozenset[str]:
    """Return what the row says it is about: conid, symbol, order id or aliases, as text."""
    return frozenset(_identities(payload))


def _identities(payload: Mapping[str, Any]) -> Iterator[str]:
    for name in IDENTITY_FIELDS:
        value = payload.get(name)
        if isinstance(value, int | str) and not isinstance(value, bool):
            text = str(value).strip()
            if text and text not in ("0", "-1") and text.lower() not in ("nan", "null", "none"):
                yield text
    aliases = payload.get("aliases")
    if isinstance(aliases, Mapping):
        yield from (str(value) for value in aliases.values())
    raw = payload.get("raw")
    if isinstance(raw, Mapping):
        yield from _identities(raw)


def quarantine_rows(
    *, account_id: str, rows: Iterable[RejectedRow], source: str, at: datetime
) -> int:
    """Store rejected rows and return how many there were. Two queries, none without rows.

    A row seen before (same kind, faulty field and identity) only increments its counter. Runs in
    the transaction that locks the account's row, so the counter is exact.
    """
    given = list(rows)
    if not given:
        return 0
    found: dict[str, QuarantinedRow] = {}
    for row in given:
        fingerprint = _fingerprint(row)
        known = found.get(fingerprint)
        if known is not None:
            known.times_seen += 1
            continue
        found[fingerprint] = QuarantinedRow(
            account_id=account_id,
            kind=_text(row.kind, 24),
            reason=_text(row.reason, 255),
            payload=_bounded(row.payload),
            fingerprint=fingerprint,
            source=source,
            first_seen_at=at,
            last_seen_at=at,
        )
    seen = QuarantinedRow.objects.filter(account_id=account_id, fingerprint__in=found)
    for fingerprint, times in seen.values_list("fingerprint", "times_seen"):
        found[fingerprint].times_seen = min(found[fingerprint].times_seen + times, 2**31 - 1)
    QuarantinedRow.objects.bulk_create(
        found.values(),
        update_conflicts=True,
        unique_fields=["account", "fingerprint"],
        update_fields=["reason", "payload", "source", "last_seen_at", "times_seen"],
    )
    return len(given)


def _fingerprint(row: RejectedRow) -> str:
    named = sorted(identities_named(row.payload))
    field = row.reason.split(":", 1)[0]
    content = named or json.dumps(storable(row.payload), sort_keys=True, default=str)
    return hashlib.sha256(f"{row.kind}\n{field}\n{content}".encode()).hexdigest()


def _text(text: str, longest: int) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:longest]


def _bounded(payload: Mapping[str, Any]) -> dict[str, Any]:
    stored = storable(payload)
    text = json.dumps(stored)
    if len(text) > LONGEST_PAYLOAD:
        return {"cut": text[:LONGEST_PAYLOAD]}
    return dict(stored)
