"""Contracts by conid and conids by contract, fetched once from the gateway and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from config.core.errors import PermanentError
from greeks.domain import Contract, InstrumentKind
from greeks.providers.decoding import BadRow, parse_date, parse_decimal, parse_text, rows_of
from portfolio.brokers.ibkr_portal.contracts import SOURCE, decode_contract, parse_conid

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
        self.conids: dict[str, str] = {}

    def keep(self, contract: Contract) -> None:
        with self.lock:
            if len(self.contracts) >= LONGEST_MEMORY:
                self.contracts.clear()
            self.contracts[contract.aliases[SOURCE]] = contract

    def keep_conid(self, symbol: str, conid: str) -> None:
        with self.lock:
            if len(self.conids) >= LONGEST_MEMORY:
                self.conids.clear()
            self.conids[symbol] = conid


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
        unknown = [conid for conid in wanted if conid not in self._memory.contracts]
        for start in range(0, len(unknown), DEFINITIONS_PER_CALL):
            batch = unknown[start : start + DEFINITIONS_PER_CALL]
            answer = self._ask("/trsrv/secdef", {"conids": ",".join(batch)})
            rows = answer.get("secdef") if isinstance(answer, Mapping) else answer
            for row in rows_of(rows, provider=SOURCE, what="/trsrv/secdef"):
                if not isinstance(row, Mapping):
                    continue
                try:
                    self._memory.keep(decode_contract(row))
                except BadRow:
                    # Absent: the row needing it is rejected with what it lacks.
                    continue
        known = self._memory.contracts
        return {conid: known[conid] for conid in wanted if conid in known}

    def conids(self, contracts: Iterable[Contract]) -> dict[str, Contract]:
        """Return the contracts by IBKR id: their own alias, else found by symbol and terms.

        A found id becomes an alias of the contract, for the caller to store.
        """
        found: dict[str, Contract] = {}
        underlyings: dict[str, str | None] = {}
        searches = 0
        for contract in contracts:
            conid = contract.aliases.get(SOURCE) or self._memory.conids.get(contract.symbol)
            if conid is None and searches < SEARCHES_PER_REQUEST:
                searches += 1
                conid = self._search(contract, underlyings)
                if conid is not None:
                    self._memory.keep_conid(contract.symbol, conid)
            if conid is not None:
                found[conid] = _known_as(contract, conid)
        return found

    def _search(self, contract: Contract, underlyings: dict[str, str | None]) -> str | None:
        """Return the contract's id.

        ``underlyings`` keeps what this request has searched for already.
        """
        if contract.kind not in (
            InstrumentKind.STOCK,
            InstrumentKind.INDEX,
            InstrumentKind.OPTION,
        ):
            return None
        symbol = contract.underlying.replace("/", " ")
        try:
            if symbol not in underlyings:
                underlyings[symbol] = self._underlying(symbol)
            conid = underlyings[symbol]
            if conid is None or not contract.is_option:
                return conid
            return self._option(conid, contract)
        except (BadRow, PermanentError):
            return None

    def _underlying(self, symbol: str) -> str | None:
        answer = self._ask("/iserver/secdef/search", {"symbol": symbol})
        for row in rows_of(answer, provider=SOURCE, what="/iserver/secdef/search"):
            if isinstance(row, Mapping) and row.get("symbol") == symbol:
                return parse_conid(row)
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


def _known_as(contract: Contract, conid: str) -> Contract:
    if contract.aliases.get(SOURCE) == conid:
        return contract
    return replace(contract, aliases={**contract.aliases, SOURCE: conid})
