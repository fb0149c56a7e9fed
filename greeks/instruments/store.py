"""Canonical identity of instruments: one row per contract, whatever a provider calls it.

Two providers' descriptions of one contract meet in ``instruments.identity.instrument_key``; each
provider's own key is kept as an alias, so a contract learned from one broker can be asked of
another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import Any

from config.core.clock import now
from config.core.rows.reading import batched
from config.core.upsert import insert_missing
from greeks.domain import Contract, Deliverable, InstrumentKind, Right
from greeks.instruments.aliases import AliasConflict, store_aliases
from greeks.instruments.expiry import SessionCloses, expiry_instant, known_closes
from greeks.instruments.identity import instrument_key
from greeks.instruments.products import exercise_style
from greeks.models import Instrument, InstrumentAlias

_LONGEST = {"symbol": 64, "underlying": 32, "root": 32, "exchange": 32, "currency": 8}
_LARGEST = Decimal(10) ** 12
_LONGEST_KEY = 96
_POSSIBLE_YEARS = range(2000, 2100)


class ResolvedInstruments(dict[str, Instrument]):
    """Instruments by ``instrument_key``, with the aliases that contradicted stored ones."""

    def __init__(
        self, instruments: Mapping[str, Instrument], conflicts: Sequence[AliasConflict] = ()
    ) -> None:
        super().__init__(instruments)
        self.conflicts = tuple(conflicts)


def contract_error(contract: Contract) -> str | None:
    """Return why the contract cannot be stored, naming the field; ``None`` if it can."""
    for name, longest in _LONGEST.items():
        text = getattr(contract, name)
        if not text and name in ("symbol", "underlying", "currency"):
            return f"{name}: missing"
        if len(text) > longest:
            return f"{name}: {len(text)} characters, at most {longest} are possible"
        if not text.isprintable():
            return f"{name}: holds control characters"
    for name in ("multiplier", "strike"):
        number: Decimal | None = getattr(contract, name)
        if number is None:
            continue
        if not number.is_finite() or abs(number) >= _LARGEST:
            return f"{name}: {number} is not a possible number"
    if contract.multiplier <= 0:
        return f"multiplier: {contract.multiplier} is not positive"
    if contract.expiry is not None and contract.expiry.year not in _POSSIBLE_YEARS:
        return f"expiry: {contract.expiry} is not when a contract expires"
    if contract.is_option and None in (contract.expiry, contract.strike, contract.right):
        return "an option needs expiry, strike and right"
    if contract.kind is InstrumentKind.FUTURE and contract.expiry is None:
        return "expiry: missing"
    if len(instrument_key(contract)) > _LONGEST_KEY:
        return f"its identity is longer than {_LONGEST_KEY} characters"
    return None


def resolve_instruments(contracts: Iterable[Contract]) -> ResolvedInstruments:
    """Find or create the instruments of many contracts; result by ``instrument_key``.

    Two queries when all are known; new ones are inserted in the largest batches the database
    takes, and read back. Safe to run in several processes at once. New aliases are added; one that
    already names another instrument is left alone and reported, unless only the day of expiry was
    wrong: then it moves (``move_misdated``). Instants of expiry follow the
    exchange calendar, which may have learned of a half day since; exercise styles
    follow the product, deliverables whoever tells them.

    Raises:
        ValueError: a contract is impossible (check with ``contract_error`` first).
    """
    wanted: dict[str, Contract] = {}
    for contract in contracts:
        key = instrument_key(contract)
        known = wanted.get(key)
        if known is None:
            error = contract_error(contract)
            if error is not None:
                raise ValueError(f"{contract.symbol[:64]!r} is not an instrument: {error}")
            wanted[key] = contract
        elif contract != known:
            wanted[key] = replace(
                known,
                aliases={**contract.aliases, **known.aliases},
                expires_at=known.expires_at or contract.expires_at,
                underlying_key=known.underlying_key or contract.underlying_key,
                deliverable=known.deliverable or contract.deliverable,
                marked_adjusted=known.marked_adjusted or contract.marked_adjusted,
            )
    if not wanted:
        return ResolvedInstruments({})
    closes = known_closes(wanted.values())
    found = _by_key(wanted)
    missing = sorted(wanted.keys() - found.keys())
    new = _insert([_new_instrument(key, wanted[key], closes) for key in missing])
    # Another process may have inserted one of them first.
    found |= _by_key(wanted.keys() - found.keys() - new.keys())
    lost = wanted.keys() - found.keys() - new.keys()
    if lost:
        raise RuntimeError(f"instruments were not stored: {sorted(lost)[:3]}")
    _correct_terms(wanted, found, closes)
    found |= new
    return ResolvedInstruments(found, store_aliases(wanted, found))


def contracts_of(instruments: Iterable[Instrument]) -> dict[int, Contract]:
    """Return contracts by instrument id with every known alias, for any provider, in one query."""
    rows = list(instruments)
    aliases: dict[int, dict[str, str]] = {}
    stored = InstrumentAlias.objects.filter(instrument__in=[row.pk for row in rows])
    for instrument_id, provider, key in stored.order_by("pk").values_list(
        "instrument_id", "provider", "key"
    ):
        aliases.setdefault(instrument_id, {})[provider] = key
    return {row.pk: _contract(row, aliases.get(row.pk, {})) for row in rows}


def _contract(row: Instrument, aliases: Mapping[str, str]) -> Contract:
    return Contract(
        kind=InstrumentKind(row.kind),
        symbol=row.symbol,
        underlying=row.underlying,
        underlying_key=row.underlying_key,
        root=row.root,
        multiplier=row.multiplier,
        currency=row.currency,
        expiry=row.expiry,
        expires_at=row.expires_at if row.expires_at_is_vendors else None,
        strike=row.strike,
        right=Right(row.right) if row.right else None,
        exchange=row.exchange,
        description=row.description,
        deliverable=_deliverable(row),
        marked_adjusted=row.is_adjusted,
        aliases=aliases,
    )


def _deliverable(row: Instrument) -> Deliverable | None:
    if not row.is_adjusted or row.deliverable_shares is None:
        return None
    return Deliverable(shares=row.deliverable_shares, cash=row.deliverable_cash or Decimal(0))


def _new_instrument(key: str, contract: Contract, closes: SessionCloses) -> Instrument:
    return Instrument(
        key=key,
        kind=contract.kind.value,
        symbol=contract.symbol,
        underlying=contract.underlying,
        underlying_key=contract.underlying_key,
        root=contract.root,
        expiry=contract.expiry,
        expires_at=expiry_instant(contract, closes),
        expires_at_is_vendors=contract.expires_at is not None,
        strike=contract.strike,
        right=contract.right.value if contract.right else "",
        multiplier=contract.multiplier,
        currency=contract.currency,
        exchange=contract.exchange,
        exercise_style=exercise_style(contract),
        **_adjustment(contract),
        description="".join(c for c in contract.description if c.isprintable())[:128],
        created_at=now(),
    )


_COLUMNS = tuple(
    field.attname for field in Instrument._meta.concrete_fields if not field.primary_key
)


def _insert(rows: Sequence[Instrument]) -> dict[str, Instrument]:
    """Insert instruments and return by key those that nobody had inserted."""
    new = {row.key: row for row in rows}
    values = list(map(attrgetter(*_COLUMNS), rows))
    inserted = insert_missing(
        Instrument, _COLUMNS, values, unique=("key",), returning=("key", "id")
    )
    for key, pk in inserted:
        new[key].pk = pk
        new[key]._state.adding = False
    return {key: new[key] for key, _ in inserted}


def _correct_terms(
    wanted: Mapping[str, Contract], found: Mapping[str, Instrument], closes: SessionCloses
) -> None:
    changed: list[Instrument] = []
    columns: set[str] = set()
    for key, row in found.items():
        contract = wanted[key]
        is_vendors = contract.expires_at is not None
        terms = {
            "exercise_style": exercise_style(contract),
            "underlying_key": contract.underlying_key or row.underlying_key,
            **_adjustment(contract),
        }
        if is_vendors or not row.expires_at_is_vendors:
            terms |= {
                "expires_at": expiry_instant(contract, closes),
                "expires_at_is_vendors": is_vendors,
            }
        other = {name for name, value in terms.items() if getattr(row, name) != value}
        for name in other:
            setattr(row, name, terms[name])
        if other:
            changed.append(row)
            columns |= other
    if changed:
        Instrument.objects.bulk_update(changed, sorted(columns), batch_size=500)


def _adjustment(contract: Contract) -> dict[str, Any]:
    """Return the contract's fields of an adjustment; a silent contract changes none."""
    told: dict[str, Any] = {"is_adjusted": True} if contract.is_adjusted else {}
    if contract.deliverable is not None:
        told["deliverable_shares"] = contract.deliverable.shares
        told["deliverable_cash"] = contract.deliverable.cash
    return told


def _by_key(keys: Iterable[str]) -> dict[str, Instrument]:
    return {
        row.key: row
        for part in batched(sorted(keys))
        for row in Instrument.objects.filter(key__in=part).order_by()
    }
