"""Providers' own keys for instruments. One that names another instrument already is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from config.core.rows.reading import batched
from config.core.upsert import insert_missing
from greeks.domain import Contract
from greeks.instruments.misdated import move_misdated
from greeks.models import Instrument, InstrumentAlias

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasConflict:
    """A provider's key that already names another instrument. The stored one stays."""

    provider: str
    key: str
    stored_instrument: str
    claimed_by: str


def store_aliases(
    wanted: Mapping[str, Contract], found: Mapping[str, Instrument]
) -> list[AliasConflict]:
    """Add the aliases of contracts to their instruments, both by key; return what contradicts."""
    claims: dict[tuple[str, str], str] = {}
    conflicts = []
    for key, contract in sorted(wanted.items()):
        for provider, alias in contract.aliases.items():
            if not alias or len(alias) > 96 or len(provider) > 24 or not alias.isprintable():
                continue
            other = claims.setdefault((provider, alias), key)
            if other != key:
                conflicts.append(_conflict(provider, alias, stored=other, claimed=key))
    stored = _stored_aliases(claims)
    inserted = insert_missing(
        InstrumentAlias,
        ("instrument_id", "provider", "key"),
        [(found[key].pk, *claim) for claim, key in sorted(claims.items()) if claim not in stored],
        unique=("provider", "key"),
        returning=("provider", "key", "instrument_id"),
    )
    stored |= {(provider, alias): pk for provider, alias, pk in inserted}
    # Another process may have inserted one of them first.
    stored |= _stored_aliases(claims.keys() - stored.keys())
    contradicted = {
        claim: (stored[claim], found[key])
        for claim, key in claims.items()
        if claim in stored and stored[claim] != found[key].pk
    }
    for claim in contradicted.keys() - move_misdated(contradicted):
        pk, claimant = contradicted[claim]
        conflicts.append(_conflict(*claim, stored=f"instrument {pk}", claimed=claimant.key))
    return conflicts


def _stored_aliases(claims: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    claimed = set(claims)
    rows = (
        row
        for part in batched(sorted(claimed))
        for row in InstrumentAlias.objects.filter(
            provider__in={provider for provider, _ in part}, key__in=[key for _, key in part]
        ).values_list("provider", "key", "instrument_id")
    )
    return {(provider, key): pk for provider, key, pk in rows if (provider, key) in claimed}


def _conflict(provider: str, alias: str, *, stored: str, claimed: str) -> AliasConflict:
    logger.warning(
        "instrument_alias_conflict", provider=provider, alias=alias, stored=stored, claimed=claimed
    )
    return AliasConflict(provider=provider, key=alias, stored_instrument=stored, claimed_by=claimed)
