"""The contract that a broker's own key names, whatever it is called by now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from config.core.rows.reading import batched
from greeks.domain import Contract
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument, InstrumentAlias
from portfolio.domain import Broker, BrokerExecution
from trades.executions.rows import Executions

_LAST = datetime.max.replace(tzinfo=UTC)
_PROVIDERS = {Broker.IBKR: "ibkr", Broker.TASTY: "tastytrade"}


def oldest_names(rows: Executions) -> dict[str, Contract]:
    """Return what the oldest row calls each contract of IBKR's that the rows name differently.

    A reverse split renames an option (LCID → LCID1) and keeps its contract id: the fills before and
    after are of one contract.
    """
    oldest: dict[str, BrokerExecution] = {}
    for row in rows if rows.renamed else ():
        key = row.contract.aliases.get(_PROVIDERS[Broker.IBKR], "")
        if key not in rows.renamed:
            continue
        found = oldest.setdefault(key, row)
        if (row.execution_time or _LAST) < (found.execution_time or _LAST):
            oldest[key] = row
    return {key: row.contract for key, row in oldest.items()}


def known_contracts(
    rows: Sequence[BrokerExecution], broker: Broker, oldest: Mapping[str, Contract]
) -> dict[int, Contract]:
    """Return the contract that is stored under the broker's key, by ``id`` of the row's contract.

    One that is not stored is what the ``oldest`` row of its file calls it.
    """
    provider = _PROVIDERS[broker]
    # Rows of one contract may share one object.
    told = {id(row.contract): row.contract for row in rows}
    keys = {number: contract.aliases.get(provider, "") for number, contract in told.items()}
    known = {**oldest, **_stored(provider, keys.values())}
    known.pop("", None)
    chosen = {}
    for number, contract in told.items():
        stored = known.get(keys[number], contract)
        chosen[number] = (
            contract if _tells_expiry(contract, stored) else _with_adjustment(stored, contract)
        )
    return chosen


def _with_adjustment(known: Contract, told: Contract) -> Contract:
    """Return the known contract, adjusted as a later name of it tells: by its root, or in full."""
    deliverable = told.deliverable or known.deliverable
    is_adjusted = told.is_adjusted or known.is_adjusted
    if (deliverable, is_adjusted) == (known.deliverable, known.is_adjusted):
        return known
    return replace(known, deliverable=deliverable, marked_adjusted=is_adjusted)


def _tells_expiry(told: Contract, known: Contract) -> bool:
    """Whether a row tells the expiry of a contract known by its last trading day only."""
    if told.expiry is None or known.expiry is None or told.expiry <= known.expiry:
        return False
    return instrument_key(replace(told, expiry=known.expiry)) == instrument_key(known)


def _stored(provider: str, keys: Iterable[str]) -> dict[str, Contract]:
    found: dict[str, int] = {}
    for part in batched(sorted(set(keys) - {""})):
        aliases = InstrumentAlias.objects.filter(provider=provider, key__in=part)
        found |= dict(aliases.values_list("key", "instrument_id"))
    contracts: dict[int, Contract] = {}
    for ids in batched(sorted(set(found.values()))):
        contracts |= contracts_of(Instrument.objects.filter(pk__in=ids))
    return {key: contracts[pk] for key, pk in found.items()}
