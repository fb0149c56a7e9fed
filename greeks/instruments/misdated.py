"""Contracts once stored under their last trading day, moved to the instrument of their expiry.

IBKR tells the last trading day. Where the day of the OCC symbol became known later, its contract id
still names the instrument of the day before, and so do positions, quotes and history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, ProtectedError

from greeks.models import Instrument, InstrumentAlias

#: Provider and its key for a contract.
Alias = tuple[str, str]

# From the last trading day to expiry: a weekend with a holiday.
_MOST_DAYS = 4
_EXPIRY = 2


def move_misdated(claims: Mapping[Alias, tuple[int, Instrument]]) -> set[Alias]:
    """Move aliases whose stored instrument differs from the claiming one only by a few days.

    ``claims`` have the id of the stored instrument and the instrument that claims the alias. The
    later expiry is right. If no alias is left to the stored instrument, all that refers to it moves
    too and it is deleted; what the other one has already is dropped. Returns the moved aliases.
    """
    if not claims:
        return set()
    stored = Instrument.objects.in_bulk({pk for pk, _ in claims.values()})
    moved = set()
    for (provider, key), (pk, claimant) in claims.items():
        old = stored.get(pk)
        if old is None or not _is_misdated(old, claimant):
            continue
        with transaction.atomic():
            InstrumentAlias.objects.filter(provider=provider, key=key).update(instrument=claimant)
            if not InstrumentAlias.objects.filter(instrument=old).exists():
                _merge(old, claimant)
        moved.add((provider, key))
    return moved


def _is_misdated(old: Instrument, claimant: Instrument) -> bool:
    if old.expiry is None or claimant.expiry is None:
        return False
    parts, others = old.key.split(":"), claimant.key.split(":")
    del parts[_EXPIRY], others[_EXPIRY]
    return parts == others and 0 < (claimant.expiry - old.expiry).days <= _MOST_DAYS


def _merge(old: Instrument, into: Instrument) -> None:
    for relation in Instrument._meta.related_objects:
        model, name = relation.related_model, relation.field.name
        rows = model._base_manager.filter(**{name: old})
        for other_fields in _unique_with(model, name):
            same = {field: OuterRef(field) for field in other_fields}
            rows = rows.exclude(Exists(model._base_manager.filter(**{name: into}, **same)))
        rows.update(**{name: into})
    try:
        old.delete()
    except ProtectedError:
        # A position that is held twice until its account is synchronised.
        return


def _unique_with(model: Any, name: str) -> list[list[str]]:
    """Return the fields beside ``name`` in each unique constraint that has it."""
    if model._meta.get_field(name).unique:
        return [[]]
    return [
        [field for field in constraint.fields if field != name]
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint) and name in constraint.fields
    ]
