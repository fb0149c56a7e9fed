"""Qualified contracts, which the gateway needs before it sends market data.

A position names its contract without an exchange, and ib_async refuses to request data for a
contract whose id it does not know. So each contract is defined once (``reqContractDetails``) and
remembered; one that fits several instruments is refused, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ib_async
import structlog
from ib_async.wrapper import RequestError

from config.core.errors import RetryableError
from greeks.domain import Contract, InstrumentKind
from greeks.instruments.identity import instrument_key
from greeks.instruments.occ import is_occ
from greeks.providers.decoding import BadRow
from portfolio.brokers.ibkr_portal.contracts import REAL_EXPIRY, SOURCE, UNDERLYING_KEY
from portfolio.brokers.ibkr_portal.units import MAGNIFIER, magnifier_of, magnifier_of_product
from portfolio.brokers.ibkr_socket.client import GatewayIB, Row
from portfolio.brokers.ibkr_socket.rows import contract_of_row, row_of_contract
from portfolio.brokers.ibkr_socket.state import PROVIDER

logger = structlog.get_logger(__name__)

#: "No security definition has been found for the request."
NOT_FOUND = 200
LONGEST_MEMORY = 20_000
#: Units of price and futures of options are worth this wait.
FACTS_SECONDS = 3.0
_SMART = "SMART"
_MAGNIFIED = frozenset({"FUT", "FOP"})
_FUTURE_CONID = "underConId"
_SEC_TYPES: Mapping[InstrumentKind, str] = {
    InstrumentKind.STOCK: "STK",
    InstrumentKind.INDEX: "IND",
    InstrumentKind.OPTION: "OPT",
}


class SocketDirectory:
    """Definitions by contract id and by symbol; they outlive a connection."""

    def __init__(self) -> None:
        self._by_conid: dict[str, ib_async.Contract] = {}
        #: By id, what only the definition tells: the unit of price, the future of an option.
        self._facts: dict[str, Row] = {}
        #: By the identity of the contract.
        self._conids: dict[str, str] = {}

    async def qualified(
        self, ib: GatewayIB, contracts: Iterable[Contract], *, seconds: float
    ) -> dict[str, tuple[Contract, ib_async.Contract]]:
        """Return by contract id: our contract with IBKR's id as an alias, and the gateway's form of
        it.

        Contracts that the gateway does not know, finds ambiguous or does not answer within
        ``seconds`` are absent.
        """
        contracts = list(contracts)
        tasks = [asyncio.ensure_future(self._qualify(ib, contract)) for contract in contracts]
        await _settled(tasks, seconds)
        found: dict[str, tuple[Contract, ib_async.Contract]] = {}
        for contract, task in zip(contracts, tasks, strict=True):
            if task.cancelled() or task.exception() is not None:
                continue
            definition = task.result()
            if definition is not None:
                conid = str(definition.conId)
                aliases = {**contract.aliases, SOURCE: conid}
                found[conid] = (replace(contract, aliases=aliases), definition)
        return found

    async def define(self, ib: GatewayIB, wanted: ib_async.Contract) -> Contract | None:
        """Return our contract for one the gateway named incompletely; ``None`` if unknown."""
        definition = await self._definition(ib, wanted)
        if definition is None:
            return None
        try:
            row = row_of_contract(definition)
            await self.learn(ib, [row])
            return contract_of_row(self.completed(row))
        except BadRow:
            # The row that needs it is rejected with what it lacks.
            return None

    async def learn(self, ib: GatewayIB, rows: Iterable[Row]) -> None:
        """Define the contracts of these rows whose unit or future only a definition tells.

        Waits a few seconds at most: a row without an answer stays as it is.
        """
        conids = {row["conid"] for row in rows if _needs_facts(row)}
        tasks = [asyncio.ensure_future(self._learn(ib, conid)) for conid in sorted(conids)]
        await _settled(tasks, FACTS_SECONDS)

    async def _learn(self, ib: GatewayIB, conid: str) -> None:
        await self._definition(ib, _by_id(conid))
        future = self._facts.get(conid, {}).get(_FUTURE_CONID)
        if future:
            found = await self._definition(ib, _by_id(future))
            if found is not None:
                key = instrument_key(contract_of_row(row_of_contract(found)))
                self._facts[conid] = {**self._facts[conid], UNDERLYING_KEY: key}

    def completed(self, row: Row) -> Row:
        """Return a contract's row with what was learned of it."""
        return {**self._facts.get(row.get("conid", ""), {}), **row}

    def magnifier(self, conid: str) -> Decimal:
        """Return the unit of price of a contract whose definition was read; 1 if it was not."""
        return magnifier_of(self._facts.get(conid, {}))

    async def _qualify(self, ib: GatewayIB, contract: Contract) -> ib_async.Contract | None:
        conid = contract.aliases.get(SOURCE) or self._conids.get(instrument_key(contract))
        if conid:
            if not conid.isdigit():
                return None
            return await self._definition(ib, _by_id(conid))
        wanted = _terms(contract)
        if wanted is None:
            return None
        definition = await self._definition(ib, wanted)
        if definition is not None and len(self._conids) < LONGEST_MEMORY:
            self._conids[instrument_key(contract)] = str(definition.conId)
        return definition

    async def _definition(
        self, ib: GatewayIB, wanted: ib_async.Contract
    ) -> ib_async.Contract | None:
        known = self._by_conid.get(str(wanted.conId))
        if known is not None:
            return known
        try:
            details = await ib.reqContractDetailsAsync(wanted)
        except RequestError as error:
            if error.code == NOT_FOUND:
                return None
            raise RetryableError(
                f"Contract definition: {error.code} {error.message[:120]}", provider=PROVIDER
            ) from None
        found = [row.contract for row in details if row.contract is not None]
        if wanted.secType:
            # Answers for futures options include event contracts.
            found = [contract for contract in found if contract.secType == wanted.secType]
        conids = {contract.conId for contract in found}
        if len(conids) > 1:
            logger.warning(
                "ibkr_socket.ambiguous_contract",
                symbol=wanted.symbol,
                sec_type=wanted.secType,
                matches=len(conids),
            )
        if len(conids) != 1:
            return None
        # The same contract comes once per exchange: take the smart one, else the first.
        chosen = next((c for c in found if c.exchange == _SMART), found[0])
        if not chosen.exchange:
            chosen.exchange = _SMART if chosen.secType in ("STK", "OPT") else chosen.primaryExchange
        if len(self._by_conid) >= LONGEST_MEMORY:
            self._by_conid.clear()
            self._facts.clear()
        self._by_conid[str(chosen.conId)] = chosen
        self._facts[str(chosen.conId)] = _facts(next(d for d in details if d.contract is chosen))
        return chosen


async def _settled(tasks: Sequence[asyncio.Future[Any]], seconds: float) -> None:
    """Wait for all; who is not done by then is cancelled."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=max(seconds, 0.0))
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _needs_facts(row: Row) -> bool:
    kind, conid = row.get("secType", ""), row.get("conid", "")
    abroad = kind in ("STK", "OPT") and row.get("currency") != "USD"
    # The OCC symbol tells the expiry; without it the definition may.
    undated = kind == "OPT" and not is_occ(row.get("localSymbol", ""))
    return (abroad or undated or kind in _MAGNIFIED) and conid.isdigit() and conid != "0"


def _by_id(conid: str) -> ib_async.Contract:
    return ib_async.Contract(conId=int(conid))


def _facts(details: ib_async.ContractDetails) -> Row:
    facts: Row = {}
    magnifier = max(details.priceMagnifier, _magnifier_of_index(details.contract))
    if magnifier > 1:
        facts[MAGNIFIER] = str(magnifier)
    if details.contract and details.contract.secType == "FOP" and details.underConId:
        facts[_FUTURE_CONID] = str(details.underConId)
    if details.contract and details.contract.secType == "OPT" and details.realExpirationDate:
        facts[REAL_EXPIRY] = details.realExpirationDate
    return facts


def _magnifier_of_index(contract: ib_async.Contract | None) -> int:
    """Return the unit of an index, which must be that of its futures and options."""
    if contract is None or contract.secType != "IND":
        return 1
    try:
        return magnifier_of_product(contract_of_row(row_of_contract(contract))) or 1
    except BadRow:
        return 1


def _terms(contract: Contract) -> ib_async.Contract | None:
    """Return another broker's contract as a request to IBKR; ``None`` for unsupported kinds."""
    sec_type = _SEC_TYPES.get(contract.kind)
    if sec_type is None:
        return None
    wanted = ib_async.Contract(
        secType=sec_type,
        symbol=contract.underlying.replace("/", " "),
        currency=contract.currency,
        exchange="" if sec_type == "IND" else _SMART,
    )
    if contract.is_option:
        if contract.expiry is None or contract.strike is None or contract.right is None:
            return None
        wanted.lastTradeDateOrContractMonth = f"{contract.expiry:%Y%m%d}"
        wanted.strike = float(contract.strike)
        wanted.right = contract.right.value
        wanted.multiplier = f"{contract.multiplier.normalize():f}"
        wanted.tradingClass = contract.root.replace("/", "")
    return wanted
