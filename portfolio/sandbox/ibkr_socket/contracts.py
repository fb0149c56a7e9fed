"""Contract lookups: by id or by description, with full details."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.lines import magnifier
from greeks.sandbox.market import Market
from portfolio.sandbox.ibkr_portal.payloads import conid, sec_type
from portfolio.sandbox.ibkr_socket.frames import Fields
from portfolio.sandbox.ibkr_socket.messages import (
    SMART,
    end,
    expiry_text,
    listing_exchange,
    multiplier_text,
    strike_value,
)
from portfolio.sandbox.ibkr_socket.session import Handler, Session
from portfolio.sandbox.ibkr_terms import local_symbol, ticker, trading_class

NOT_FOUND = "No security definition has been found for the request"
_ORDER_TYPES = "ACTIVETIM,AD,ADJUST,ALERT,ALLOC,AVGCOST,DAY,GTC,LMT,MKT,STP,STPLMT,TRAIL,WHATIF"
_SYMBOLS_LISTED = 16


@dataclass(frozen=True, slots=True)
class WantedContract:
    """The twelve fields by which a client names a contract; an empty field matches anything."""

    conid: int
    symbol: str
    sec_type: str
    expiry: str
    strike: float
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    @classmethod
    def read(cls, fields: list[str]) -> WantedContract:
        """Parse the fields. Raises ValueError unless there are twelve, with valid numbers."""
        if len(fields) != 12:
            raise ValueError(f"a contract has 12 fields, not {len(fields)}")
        number, symbol, kind, expiry, strike, right, *others = fields
        side = {"CALL": "C", "PUT": "P"}.get(right.upper(), right.upper())
        return cls(int(number or 0), symbol, kind, expiry, float(strike or 0.0), side, *others)

    def agrees(self, contract: Contract) -> bool:
        """Return whether the contract matches the description."""
        told = (
            (self.symbol, ticker(contract)),
            (self.sec_type, sec_type(contract)),
            (self.right.strip("0?"), contract.right.value if contract.right else ""),
            (self.multiplier, multiplier_text(contract) or self.multiplier),
            (self.currency, contract.currency),
            (self.local_symbol, local_symbol(contract)),
            (self.trading_class, trading_class(contract)),
            (self.primary_exchange, contract.exchange),
        )
        exchanges = {SMART, contract.exchange, ""}
        return (
            all(wanted in ("", actual) for wanted, actual in told)
            and self.exchange in exchanges
            and expiry_text(contract).startswith(self.expiry)
            and self.strike in (0.0, strike_value(contract))
        )


class ContractLookup:
    """Searches of one market, and the requests answered with contracts."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def handlers(self) -> Mapping[int, Handler]:
        return {9: self._details, 78: self._option_parameters, 81: self._matching_symbols}

    def find(self, wanted: WantedContract) -> list[Contract]:
        """Return the matching contracts: several if the description is vague."""
        if wanted.conid:
            known = self._market.contract(str(wanted.conid))
            return [known] if known is not None and wanted.exchange in _exchanges(known) else []
        if wanted.local_symbol:
            known = self._market.contract(wanted.local_symbol)
            return [known] if known is not None and wanted.agrees(known) else []
        if wanted.symbol not in self._market.underlyings():
            return []
        if wanted.sec_type != "OPT":
            underlying = self._market.underlying(wanted.symbol)
            return [underlying] if wanted.agrees(underlying) else []
        return [
            option
            for expiry in self._market.expiries(wanted.symbol)
            if f"{expiry:%Y%m%d}".startswith(wanted.expiry)
            for option in self._market.chain(wanted.symbol, expiry)
            if wanted.agrees(option)
        ]

    def _details(self, session: Session, fields: list[str]) -> None:
        request_id, wanted = int(fields[2]), WantedContract.read(fields[3:15])
        found = self.find(wanted)
        if not found:
            session.error(request_id, 200, NOT_FOUND)
            return
        for contract in found:
            exchange = wanted.exchange or SMART
            if contract.kind is InstrumentKind.INDEX:
                exchange = contract.exchange
            underlying = self._market.underlying_of(contract)
            session.send(*details(request_id, contract, underlying, exchange=exchange))
        session.send(*end(52, request_id))

    def _option_parameters(self, session: Session, fields: list[str]) -> None:
        """Send expiries and strikes of each trading class, then the end message."""
        request_id, symbol = int(fields[1]), fields[2]
        if symbol in self._market.underlyings():
            underlying = self._market.underlying(symbol)
            classes: dict[str, list[Contract]] = {}
            for expiry in self._market.expiries(symbol):
                for option in self._market.chain(symbol, expiry):
                    classes.setdefault(option.root, []).append(option)
            for name, options in classes.items():
                expiries = sorted({expiry_text(option) for option in options})
                strikes = sorted({strike_value(option) for option in options})
                head = (75, request_id, SMART, conid(underlying), name)
                multiplier = multiplier_text(options[0])
                session.send(*head, multiplier, len(expiries), *expiries, len(strikes), *strikes)
        session.send(76, request_id)

    def _matching_symbols(self, session: Session, fields: list[str]) -> None:
        """Send underlyings whose symbol or name begins with the pattern."""
        request_id, pattern = int(fields[1]), fields[2].upper()
        rows: list[Fields] = []
        for symbol in self._market.underlyings():
            contract = self._market.underlying(symbol)
            if symbol.startswith(pattern) or contract.description.upper().startswith(pattern):
                kind, exchange = sec_type(contract), contract.exchange
                head = (conid(contract), symbol, kind, exchange, contract.currency)
                rows.append((*head, 1, "OPT", contract.description, ""))
        rows = rows[:_SYMBOLS_LISTED]
        session.send(79, request_id, len(rows), *(field for row in rows for field in row))


def _exchanges(contract: Contract) -> tuple[str, ...]:
    return (SMART, contract.exchange, listing_exchange(contract), "")


def details(request_id: int, contract: Contract, underlying: Contract, *, exchange: str) -> Fields:
    """Return contract details as servers from version 164 on send them."""
    option = contract.is_option
    hours = _hours(contract)
    return (
        10,
        request_id,
        ticker(contract),
        sec_type(contract),
        expiry_text(contract),
        strike_value(contract),
        contract.right.value if contract.right else "",
        exchange,
        contract.currency,
        local_symbol(contract),
        trading_class(contract),  # the market's name
        trading_class(contract),
        conid(contract),
        0.01,
        multiplier_text(contract),
        _ORDER_TYPES,
        ",".join(dict.fromkeys((SMART, contract.exchange))),
        magnifier(contract),
        conid(underlying) if option else 0,
        contract.description or underlying.description,
        "" if option else contract.exchange,
        f"{contract.expiry:%Y%m}" if contract.expiry else "",
        "",  # industry, category and subcategory
        "",
        "",
        "US/Eastern" if contract.currency == "USD" else "Asia/Kolkata",
        hours,
        hours,
        "",  # economic value rule and multiplier
        "",
        0,  # no security ids
        1,  # aggregated group
        ticker(underlying) if option else "",
        sec_type(underlying) if option else "",
        "26,26",
        expiry_text(contract),
        "" if option else "COMMON",
        1.0,
        1.0,
        100.0,
    )


def _hours(contract: Contract) -> str:
    """Return the regular hours of the contract's last day; empty if it does not expire."""
    if contract.expiry is None:
        return ""
    opens, closes = ("0930", "1600") if contract.currency == "USD" else ("0915", "1530")
    day: date = contract.expiry
    return f"{day:%Y%m%d}:{opens}-{day:%Y%m%d}:{closes}"
