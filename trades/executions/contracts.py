"""The contract that a broker's own key names, whatever it is called by now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from greeks.domain import Contract
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument, InstrumentAlias
from portfolio.domain import Broker, BrokerExecution

_BATCH = 500
_LAST = datetime.max.replace(tzinfo=UTC)
_PROVIDERS = {Broker.IBKR: "ibkr", Broker.TASTY: "tastytrade"}


def with_known_contracts(rows: Sequence[BrokerExecution], broker: Broker) -> list[BrokerExecution]:
    """Give rows the contract that is stored under the broker's key.

    A reverse split renames an option at IBKR (LCID → LCID1) and keeps its contract id: the fills
    before and after are of one contract, the one that the oldest row names.
    """
    provider = _PROVIDERS[broker]
    known: dict[str, Contract] = {}
    if broker is Broker.IBKR:
        for row in sorted(rows, key=lambda row: row.execution_time or _LAST):
            known.setdefault(row.contract.aliases.get(provider, ""), row.contract)
    known |= _stored(provider, {row.contract.aliases.get(provider, "") for row in rows})
    known.pop("", None)
    return [
        row
        if (contract := known.get(row.contract.aliases.get(provider, ""))) is None
        or _tells_expiry(row.contract, contract)
        else replace(row, contract=contract)
        for row in rows
    ]


def _tells_expiry(told: Contract, known: Contract) -> bool:
    """Whether a row tells the expiry of a contract known by its last trading day only."""
    if told.expiry is None or known.expiry is None or told.expiry <= known.expiry:
        return False
    return instrument_key(replace(told, expiry=known.expiry)) == instrument_key(known)


def _stored(provider: str, keys: Iterable[str]) -> dict[str, Contract]:
    wanted = sorted(set(keys) - {""})
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _BATCH):
        aliases = InstrumentAlias.objects.filter(
            provider=provider, key__in=wanted[start : start + _BATCH]
        )
        found |= dict(aliases.values_list("key", "instrument_id"))
    contracts: dict[int, Contract] = {}
    ids = sorted(set(found.values()))
    for start in range(0, len(ids), _BATCH):
        contracts |= contracts_of(Instrument.objects.filter(pk__in=ids[start : start + _BATCH]))
    return {key: contracts[pk] for key, pk in found.items()}
