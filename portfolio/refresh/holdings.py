"""What accounts hold, kept by the process that revalues them every few seconds.

Whoever commits a book raises its version, so kept rows of the account's version are the stored
ones: a moved price reads no position. Rows are never changed in place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cachetools import LRUCache

from config.core.redis.process_copies import ProcessCopies
from greeks.domain import Contract
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from portfolio.book.position_row import PositionRow, rows_of_accounts
from portfolio.market_data.sources import underlying_contracts

#: Rows kept in one process, a kilobyte each; accounts used least are forgotten.
MOST_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """An account's rows at one version of its book.

    ``instruments`` and ``contracts`` are by key: what is held, and the known underlyings of it.
    """

    version: int
    rows: Sequence[PositionRow]
    instruments: Mapping[str, Instrument]
    contracts: Mapping[str, Contract]
    keys: Mapping[int, str]

    def moved(self, changed: Collection[PositionRow]) -> Holdings:
        """Return the next version, with these rows changed."""
        newer = {row.id: row for row in changed}
        rows = [newer.get(row.id, row) for row in self.rows]
        return replace(self, version=self.version + 1, rows=rows)


def _empty() -> LRUCache[str, Holdings]:
    return LRUCache(MOST_ROWS, getsizeof=lambda holdings: 1 + len(holdings.rows))


_kept: Final = ProcessCopies(_empty)


def holdings_of(versions: Mapping[str, int]) -> dict[str, Holdings]:
    """Return what these accounts (id → book version) hold; read those not kept. Four queries."""
    with _kept.lock:
        kept = _kept.get("accounts")
        found = {
            account_id: holdings
            for account_id, version in versions.items()
            if (holdings := kept.get(account_id)) is not None and holdings.version == version
        }
    unread = {name: version for name, version in versions.items() if name not in found}
    if unread:
        for account_id, holdings in _read(unread).items():
            found[account_id] = holdings
            keep_holdings(account_id, holdings)
    return found


def keep_holdings(account_id: str, holdings: Holdings) -> None:
    """Keep a committed version; one too large to be kept is read again each time."""
    with _kept.lock:
        kept = _kept.get("accounts")
        kept.pop(account_id, None)
        if len(holdings.rows) < MOST_ROWS:
            kept[account_id] = holdings


def in_batches(account_ids: Collection[str], *, most_rows: int) -> list[list[str]]:
    """Group accounts so that no small one waits for a large one: each large one is by itself."""
    with _kept.lock:
        kept = _kept.get("accounts")
        sizes = {name: len(kept[name].rows) if name in kept else 0 for name in account_ids}
    batches: list[list[str]] = []
    room = 0
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        if not batches or sizes[name] > room:
            batches.append([])
            room = most_rows
        batches[-1].append(name)
        room -= sizes[name]
    return batches


def _read(versions: Mapping[str, int]) -> dict[str, Holdings]:
    rows = rows_of_accounts(versions)
    ids = {row.instrument_id for held in rows.values() for row in held}
    held = Instrument.objects.in_bulk(ids)
    contracts = contracts_of(held.values())
    spots = {instrument_key(each): each for each in underlying_contracts(contracts.values())}
    known = {
        row.key: row
        for row in Instrument.objects.filter(key__in=spots.keys() - {r.key for r in held.values()})
    }
    found = {}
    for account_id, version in versions.items():
        mine = {pk: held[pk] for row in rows[account_id] if (pk := row.instrument_id) in held}
        under = {
            instrument_key(each) for each in underlying_contracts(contracts[pk] for pk in mine)
        }
        underlyings = {key: known[key] for key in under if key in known}
        found[account_id] = Holdings(
            version=version,
            rows=rows[account_id],
            instruments={row.key: row for row in mine.values()} | underlyings,
            contracts={row.key: contracts[pk] for pk, row in mine.items()}
            | {key: spots[key] for key in underlyings},
            keys={pk: row.key for pk, row in mine.items()},
        )
    return found
