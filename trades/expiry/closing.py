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
from greeks.domain import InstrumentKind, Right
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from greeks.pricing.products import is_settled_from_opening
from portfolio.models import Account, Position
from trades.contexts.market_then import GreeksThen, greeks_of_rows, newest
from trades.executions.announcing import announce_after_commit
from trades.lots.store import store_lots
from trades.models import ProvisionalClose, TradeLot
from trades.strategies.store import store_trades

#: A provisional close of known result is final then, if no row has come.
FINAL_AFTER: Final = timedelta(days=4)
#: The underlying's price may be this old at the instant of expiry.
_SPOT_AGE: Final = timedelta(minutes=5)
_OPTIONS: Final = (InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value)

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
        instrument__kind__in=_OPTIONS,
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
    """Return the closes of these contracts. Four queries."""
    ordered = sorted(places)
    rows = Instrument.objects.filter(pk__in={pk for _, pk in ordered})
    instruments = rows.in_bulk()
    greeks = greeks_of_rows(rows, instrument="pk", at=OuterRef("expires_at"))
    contracts = contracts_of(instruments.values())
    found = []
    for account_id, pk in ordered:
        instrument = instruments[pk]
        expired_at = instrument.expires_at
        if expired_at is None:
            continue
        seen = newest(greeks.get(pk), at=expired_at, oldest=_SPOT_AGE)
        if seen is not None and seen.underlying_price is None:
            seen = None
        # The opening prices that it settles from are in no minute before it.
        from_opening = is_settled_from_opening(contracts[pk])
        found.append(
            ProvisionalClose(
                account_id=account_id,
                instrument_id=pk,
                at=expired_at,
                price=None if from_opening else _price(instrument, seen),
                spot=None if seen is None else seen.underlying_price,
                spot_source="" if seen is None else seen.source,
                spot_as_of=None if seen is None else seen.as_of,
            )
        )
    return found


def _price(instrument: Instrument, seen: GreeksThen | None) -> Decimal | None:
    """Return zero for an option out of the money; ``None`` for one in it, or if not known."""
    if seen is None or seen.underlying_price is None or instrument.strike is None:
        return None
    above = seen.underlying_price - instrument.strike
    is_worthless = above < 0 if instrument.right == Right.CALL.value else above > 0
    return Decimal(0) if is_worthless else None
