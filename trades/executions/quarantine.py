"""Keep rows that could not be recorded, with the reason: nothing a broker sent is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from greeks.providers.decoding import storable
from portfolio.domain import Broker
from trades.models import QuarantinedExecution

_LONGEST_PAYLOAD = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that was not recorded."""

    broker: Broker
    account_id: str | None
    account_number: str
    kind: str
    reason: str
    payload: Any
    source: str


def keep_refused(rows: Iterable[Refused], *, at: datetime) -> int:
    """Store refused rows; one seen before counts up. Returns how many there were."""
    given = list(rows)
    found: dict[tuple[str, str], QuarantinedExecution] = {}
    for row in given:
        payload = storable(row.payload or {})
        text = json.dumps(payload, sort_keys=True)
        named = f"{row.account_number}\n{row.kind}\n{row.reason.split(':', 1)[0]}\n{text}"
        mark = hashlib.sha256(named.encode()).hexdigest()
        key = (row.broker.value, mark)
        if key in found:
            found[key].times_seen += 1
            continue
        found[key] = QuarantinedExecution(
            account_id=row.account_id,
            broker=row.broker.value,
            account_number=row.account_number[:48],
            kind=row.kind[:24],
            reason=row.reason[:255],
            payload=payload if len(text) <= _LONGEST_PAYLOAD else {"cut": text[:_LONGEST_PAYLOAD]},
            fingerprint=mark,
            source=row.source[:24],
            first_seen_at=at,
            last_seen_at=at,
        )
    if not found:
        return 0
    marks = [mark for _, mark in found]
    for known in QuarantinedExecution.objects.filter(fingerprint__in=marks):
        again = found.get((known.broker, known.fingerprint))
        if again is not None:
            again.times_seen += known.times_seen
    QuarantinedExecution.objects.bulk_create(
        found.values(),
        update_conflicts=True,
        unique_fields=["broker", "fingerprint"],
        update_fields=["account", "reason", "last_seen_at", "times_seen", "resolved_at"],
    )
    return len(given)
