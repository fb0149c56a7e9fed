"""Close options past their instant provisionally, until the broker tells how they ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from config.core.clock import market_now
from portfolio.models import Account, Position
from trades.executions.announcing import announce_after_commit
from trades.expiry.settling import OPTIONS, settle
from trades.lots.store import store_lots
from trades.models import ProvisionalClose, TradeLot
from trades.strategies.store import store_trades

#: A provisional close of known result is final then, if no row has come.
FINAL_AFTER: Final = timedelta(days=4)

#: An account and an instrument.
Place = tuple[str, int]


@dataclass(slots=True)
class _Due:
    """What is to change."""

    new: set[Place] = field(default_factory=set)
    withdrawn: list[ProvisionalClose] = field(default_factory=list)
    final: list[ProvisionalClose] = field(default_factory=list)

    @property
    def places(self) -> set[Place]:
        stored = [*self.withdrawn, *self.final]
        return self.new | {(row.account_id, row.instrument_id) for row in stored}


def close_expired() -> int:
    """Write, withdraw and make final what is due; return how many contracts changed.

    An option is closed if its instant is past, its lots are open, and its account has synced since
    and does not show it. Running it again changes nothing. Lots and trades follow.
    """
    accounts = {account_id for account_id, _ in _due().places}
    if not accounts:
        return 0
    with transaction.atomic():
        locked = Account.objects.select_for_update().filter(pk__in=accounts).order_by("pk")
        due = _due(list(locked.values_list("pk", flat=True)))
        ProvisionalClose.objects.filter(pk__in=[row.pk for row in due.withdrawn]).delete()
        ProvisionalClose.objects.filter(pk__in=[row.pk for row in due.final]).update(is_final=True)
        ProvisionalClose.objects.bulk_create(_closes(due.new), batch_size=500)
        store_trades(store_lots(due.places))
        announce_after_commit(account_id for account_id, _ in due.places)
    return len(due.places)


def _due(accounts: Iterable[str] | None = None) -> _Due:
    """Compare what should be closed with what is, of some accounts or all. Two queries."""
    at = market_now()
    chosen = Q() if accounts is None else Q(account__in=accounts)
    held = Position.objects.filter(
        account=OuterRef("account"), instrument=OuterRef("instrument")
    ).exclude(quantity=0)
    lots = TradeLot.objects.filter(
        chosen,
        Q(opened_at=None) | Q(opened_at__lte=F("instrument__expires_at")),
        ~Exists(held),
        closed_by=None,
        instrument__kind__in=OPTIONS,
        instrument__expires_at__lte=at,
        account__last_synced_at__gt=F("instrument__expires_at"),
    )
    wanted = set(lots.order_by().values_list("account_id", "instrument_id").distinct())
    due = _Due()
    for row in ProvisionalClose.objects.filter(chosen):
        if (row.account_id, row.instrument_id) not in wanted:
            due.withdrawn.append(row)
            continue
        wanted.discard((row.account_id, row.instrument_id))
        if not row.is_final and row.price is not None and row.at <= at - FINAL_AFTER:
            due.final.append(row)
    due.new = wanted
    return due


def _closes(places: Iterable[Place]) -> list[ProvisionalClose]:
    """Return the closes of these contracts: zero out of the money, else not known yet."""
    ordered = sorted(places)
    settled = settle({pk for _, pk in ordered})
    return [
        ProvisionalClose(
            account_id=account_id,
            instrument_id=pk,
            at=end.at,
            price=Decimal(0) if end.is_worthless else None,
            spot=end.spot,
            spot_source=end.source,
            spot_as_of=end.as_of,
        )
        for account_id, pk in ordered
        if (end := settled.get(pk)) is not None
    ]
