"""Contracts by conid and conids by contract, fetched once from the gateway and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from config.core.errors import PermanentError
from greeks.domain import Contract, InstrumentKind, Snapshot
from greeks.indices import is_index
from greeks.instruments.identity import instrument_key
from greeks.providers.decoding import BadRow, Row, parse_date, parse_decimal, parse_text, rows_of
from portfolio.brokers.ibkr_portal.contracts import (
    SOURCE,
    UNDERLYING_KEY,
    decode_contract,
    first_of,
    parse_conid,
)
from portfolio.brokers.ibkr_portal.orders import order_conids
from portfolio.brokers.ibkr_portal.units import (
    MAGNIFIER,
    implied_magnifier,
    magnifier_of,
    magnifier_of_product,
    may_be_magnified,
    may_imply_magnifier,
)
from portfolio.brokers.units import snapshot_in_currency

#: ``/trsrv/secdef`` takes this many contract ids in one call.
DEFINITIONS_PER_CALL = 200
# Finding another broker's contract takes a call or two, so each request finds only this many; later
# ones find the rest.
SEARCHES_PER_REQUEST = 10
# Bounds a process's cache; far above any book.
LONGEST_MEMORY = 20_000

Ask = Callable[[str, Mapping[str, Any]], Any]


class ContractMemory:
    """Facts about contracts that never change, shared by a process's adapters."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.contracts: dict[str, Contract] = {}
        #: By id, what only the definition tells: the unit of price, the future of an option.
        self.facts: dict[str, dict[str, Any]] = {}
        #: By the identity of the contract.
        self.conids: dict[str, str] = {}

    def keep(self, contract: Contract, facts: dict[str, Any]) -> None:
        with self.lock:
            if len(self.contracts) >= LONGEST_MEMORY:
                self.contracts.clear()
                self.facts.clear()
            self.contracts[contract.aliases[SOURCE]] = contract
            self.facts[contract.aliases[SOURCE]] = facts

    def keep_conid(self, key: str, conid: str) -> None:
        with self.lock:
            if len(self.conids) >= LONGEST_MEMORY:
                self.conids.clear()
            self.conids[key] = conid


_memories: dict[str, ContractMemory] = {}
_memories_lock = threading.Lock()


def contract_memory(base_url: str) -> ContractMemory:
    with _memories_lock:
        return _memories.setdefault(base_url, ContractMemory())


class ContractDirectory:
    """``ask(path, params)`` makes a GET at the gateway."""

    def __init__(self, ask: Ask, memory: ContractMemory) -> None:
        self._ask = ask
        self._memory = memory

    def definitions(self, conids: Iterable[str]) -> dict[str, Contract]:
        """Return the ids' contracts. Those the gateway defines badly or not at all are absent."""
        wanted = dict.fromkeys(conids)
        self._learn(wanted)
        known = self._memory.contracts
        return {conid: known[conid] for conid in wanted if conid in known}

    def completed(self, row: Row) -> Row:
        """Return the row with what only the contract's definition tells (unit, future)."""
        for conid in order_conids(row):
            return {**self._memory.facts.get(conid, {}), **row}
        return row

    def completed_position(self, row: Row) -> Row:
        """Return a position's row, completed; with the unit its numbers imply if nothing tells it.

        That unit is remembered: the contract's quotes and orders are in it too.
        """
        row = self.completed(row)
        contract = self._memory.contracts.get(parse_conid(row))
        if contract is None or row.get(MAGNIFIER) or not may_imply_magnifier(contract):
            return row
        quantity = parse_decimal(row.get("position"), "position") or Decimal(0)
        unit = implied_magnifier(
            parse_decimal(first_of(row, "mktPrice", "marketPrice"), "mktPrice"),
            value=parse_decimal(first_of(row, "mktValue", "marketValue"), "mktValue"),
            size=quantity * contract.multiplier,
        )
        if unit is None:
            return row
        facts = self._memory.facts.get(contract.aliases[SOURCE], {})
        self._memory.keep(contract, {**facts, MAGNIFIER: unit})
        return {**row, MAGNIFIER: unit}

    def in_currency(self, snapshot: Snapshot) -> Snapshot:
        """Convert a snapshot from the contract's unit of price, if its definition was read."""
        facts = self._memory.facts.get(snapshot.contract.aliases.get(SOURCE, ""), {})
        return snapshot_in_currency(snapshot, magnifier_of(facts))

    def _learn(self, conids: Iterable[str]) -> None:
        unknown = [conid for conid in conids if conid not in self._memory.contracts]
        rows: list[Row] = []
        for start in range(0, len(unknown), DEFINITIONS_PER_CALL):
            batch = unknown[start : start + DEFINITIONS_PER_CALL]
            answer = self._ask("/trsrv/secdef", {"conids": ",".join(batch)})
            found = answer.get("secdef") if isinstance(answer, Mapping) else answer
            found = rows_of(found, provider=SOURCE, what="/trsrv/secdef")
            rows += [row for row in found if isinstance(row, Mapping)]
        # An option on a future is priced on the future it delivers.
        futures = {conid: row for row in rows if (conid := _conid_of_future(row))}
        if futures:
            self._learn(futures)
        for row in rows:
            future = self._memory.contracts.get(_conid_of_future(row))
            unit = row.get(MAGNIFIER) or self._unit_of(row)
            facts = {MAGNIFIER: unit} if unit else {}
            if future is not None and future.kind is InstrumentKind.FUTURE:
                facts[UNDERLYING_KEY] = instrument_key(future)
                self._memory.keep_conid(facts[UNDERLYING_KEY], future.aliases[SOURCE])
            try:
                self._memory.keep(decode_contract({**row, **facts}), facts)
            except BadRow:
                # Absent: the row needing it is rejected with what it lacks.
                continue

    def _unit_of(self, row: Row) -> Any:
        """Return the price magnifier that the rules for orders tell, or else the product.

        A gateway that fails for now raises: a price of unknown unit is worse than none.
        """
        try:
            contract = decode_contract(row)
        except BadRow:
            return None
        return self._unit_of_rules(contract) or magnifier_of_product(contract)

    def _unit_of_rules(self, contract: Contract) -> Any:
        if not may_be_magnified(contract):
            return None
        try:
            answer = self._ask(f"/iserver/contract/{contract.aliases[SOURCE]}/info-and-rules", {})
        except PermanentError:
            return None
        rules = answer.get("rules") if isinstance(answer, Mapping) else None
        return rules.get(MAGNIFIER) if isinstance(rules, Mapping) else None

    def conids(self, contracts: Iterable[Contract]) -> dict[str, Contract]:
        """Return the contracts by IBKR id: their own alias, else found by symbol and terms.

        A found id becomes an alias of the contract, for the caller to store.
        """
        found: dict[str, Contract] = {}
        searched: dict[tuple[str, str, bool], str | None] = {}
        searches = 0
        for contract in contracts:
            key = instrument_key(contract)
            conid = contract.aliases.get(SOURCE) or self._memory.conids.get(key)
            if conid is None and searches < SEARCHES_PER_REQUEST:
                searches += 1
                conid = self._search(contract, searched)
                if conid is not None:
                    self._memory.keep_conid(key, conid)
            if conid is not None:
                known = contract.aliases.get(SOURCE) == conid
                aliases = {**contract.aliases, SOURCE: conid}
                found[conid] = contract if known else replace(contract, aliases=aliases)
        return found

    def _search(
        self, contract: Contract, searched: dict[tuple[str, str, bool], str | None]
    ) -> str | None:
        """Return the contract's id.

        ``searched`` keeps the underlyings that this request has searched for already.
        """
        if contract.kind not in (
            InstrumentKind.STOCK,
            InstrumentKind.INDEX,
            InstrumentKind.OPTION,
        ):
            return None
        symbol = contract.underlying.replace("/", " ")
        of_index = contract.kind is InstrumentKind.INDEX or (
            contract.is_option and is_index(contract.underlying, contract.currency)
        )
        name = (symbol, contract.currency, of_index)
        try:
            if name not in searched:
                searched[name] = self._underlying(*name)
            conid = searched[name]
            if conid is None or not contract.is_option:
                return conid
            return self._option(conid, contract)
        except (BadRow, PermanentError):
            return None

    def _underlying(self, symbol: str, currency: str, of_index: bool) -> str | None:
        """Return the id of the share or index of that symbol and currency.

        One symbol may be a share here, another abroad, and an index.
        """
        answer = self._ask("/iserver/secdef/search", {"symbol": symbol})
        rows = rows_of(answer, provider=SOURCE, what="/iserver/secdef/search")
        named = [row for row in rows if isinstance(row, Mapping) and row.get("symbol") == symbol]
        conids = [parse_conid(row) for row in named]
        kind = InstrumentKind.INDEX if of_index else InstrumentKind.STOCK
        for conid, definition in self.definitions(conids).items():
            if (definition.kind, definition.currency) == (kind, currency):
                return conid
        return None

    def _option(self, underlying_conid: str, contract: Contract) -> str | None:
        if contract.expiry is None or contract.strike is None or contract.right is None:
            return None
        answer = self._ask(
            "/iserver/secdef/info",
            {
                "conid": underlying_conid,
                "sectype": "OPT",
                "month": f"{contract.expiry:%b%y}".upper(),
                "strike": f"{contract.strike.normalize():f}",
                "right": contract.right.value,
            },
        )
        for row in rows_of(answer, provider=SOURCE, what="/iserver/secdef/info"):
            if not isinstance(row, Mapping):
                continue
            trading_class = parse_text(row.get("tradingClass"), "tradingClass")
            same = (
                parse_date(row.get("maturityDate"), "maturityDate") == contract.expiry
                and parse_decimal(row.get("strike"), "strike") == contract.strike
                and row.get("right") == contract.right.value
                and trading_class in ("", contract.root.replace("/", ""))
            )
            if same:
                return parse_conid(row)
        return None


def _conid_of_future(row: Row) -> str:
    """Return the id of the future under an option; empty for other rows."""
    under = row.get("undConid")
    return str(under) if under and row.get("assetClass") == "FOP" else ""
