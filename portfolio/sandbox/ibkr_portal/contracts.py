"""The simulated gateway's contract lookups: definitions, searches, strikes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from starlette.requests import Request

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.lines import magnifier
from greeks.sandbox.market import Market
from portfolio.sandbox.ibkr_portal.payloads import conid, describe, expiry, multiplier, sec_type
from portfolio.sandbox.ibkr_terms import is_dated, ticker


class ContractDesk:
    """Answers of ``/trsrv`` and ``/iserver/secdef``. Strikes come only after a search."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._searched: set[str] = set()

    def find(self, number: str) -> Contract | None:
        """Return the contract with this contract id."""
        return self._market.contract(number) if number.isdecimal() else None

    def definitions(self, request: Request) -> Any:
        wanted = request.query_params.get("conids", "").split(",")
        known = [contract for contract in map(self.find, wanted) if contract is not None]
        underlying_of = self._market.underlying_of
        return {"secdef": [definition(found, underlying_of(found)) for found in known]}

    def rules(self, request: Request) -> Any:
        """Answer what may be ordered, and in which unit it is priced."""
        found = self.find(request.path_params["conid"])
        if found is None:
            return {"error": "no contract"}
        return {"con_id": conid(found), "rules": {"priceMagnifier": magnifier(found)}}

    async def search(self, request: Request) -> Any:
        body = await request.json() if request.method == "POST" else request.query_params
        symbol = str(body.get("symbol", ""))
        contract = None if symbol.isdecimal() else self._market.contract(symbol)
        if contract is None or contract.expiry is not None:
            return []
        self._searched.add(contract.aliases["ibkr"])
        listed = symbol in self._market.underlyings()
        return [search_row(contract, self._market.expiries(symbol) if listed else ())]

    def strikes(self, request: Request) -> Any:
        options = self._options(request)
        return {
            name: sorted({float(o.strike or 0) for o in options if o.right == right})
            for name, right in (("call", "C"), ("put", "P"))
        }

    def info(self, request: Request) -> Any:
        strike, right = (request.query_params.get(name, "") for name in ("strike", "right"))
        return [
            info_row(option)
            for option in self._options(request)
            if option.right == right and f"{option.strike:f}" == strike
        ]

    def _options(self, request: Request) -> list[Contract]:
        """Return an underlying's options of the month; none before a search for it."""
        number = request.query_params.get("conid", "")
        underlying = self.find(number)
        listed = self._market.underlyings()
        if underlying is None or number not in self._searched or underlying.symbol not in listed:
            return []
        month = request.query_params.get("month", "")
        return [
            option
            for expiry in self._market.expiries(underlying.symbol)
            if f"{expiry:%b%y}".upper() == month
            for option in self._market.chain(underlying.symbol, expiry)
        ]


def definition(contract: Contract, underlying: Contract) -> dict[str, Any]:
    """Return a row of ``/trsrv/secdef``."""
    return {
        "conid": conid(contract),
        "currency": contract.currency,
        "name": contract.description,
        "assetClass": sec_type(contract),
        "expiry": expiry(contract),
        "lastTradingDay": expiry(contract),
        "group": None,
        "putOrCall": contract.right.value if contract.right else None,
        "sector": None,
        "sectorGroup": None,
        "strike": f"{contract.strike.normalize():f}" if contract.strike else "0",
        "ticker": ticker(contract),
        "undConid": conid(underlying) if contract.is_option else 0,
        "multiplier": multiplier(contract),
        "type": None if is_dated(contract) else "COMMON",
        "hasOptions": not contract.is_option,
        "fullName": describe(contract),
        "isUS": contract.currency == "USD",
        "isEventContract": contract.kind is InstrumentKind.EVENT,
        "listingExchange": None if contract.is_option else contract.exchange,
        "countryCode": "US" if contract.currency == "USD" else "IN",
    }


def search_row(contract: Contract, expiries: Sequence[date]) -> dict[str, Any]:
    """Return a row of ``/iserver/secdef/search``: an underlying and its option months."""
    months = dict.fromkeys(f"{expiry:%b%y}".upper() for expiry in expiries)
    return {
        "conid": str(conid(contract)),
        "companyHeader": f"{contract.description} - {contract.exchange}",
        "companyName": contract.description,
        "symbol": contract.symbol,
        "description": contract.exchange,
        "restricted": None,
        "sections": [
            {"secType": sec_type(contract)},
            {"secType": "OPT", "months": ";".join(months), "exchange": "SMART;AMEX;CBOE"},
        ],
    }


def info_row(option: Contract) -> dict[str, Any]:
    """Return a row of ``/iserver/secdef/info``."""
    return {
        "conid": conid(option),
        "symbol": option.underlying,
        "secType": "OPT",
        "exchange": "SMART",
        "right": option.right.value if option.right else None,
        "strike": float(option.strike or 0),
        "currency": option.currency,
        "maturityDate": f"{option.expiry:%Y%m%d}" if option.expiry else None,
        "multiplier": f"{option.multiplier.normalize():f}",
        "tradingClass": option.root,
        "desc2": describe(option),
    }
