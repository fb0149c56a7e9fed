"""The simulated market with the contract lines of :mod:`greeks.sandbox.lines` beside its own.

A derived contract's conid has the line's number above the 31 bits of the base's own conid, or of
the day of expiry: it can be found again without having been listed before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from greeks.chains import Floats
from greeks.domain import Contract, InstrumentKind, Right
from greeks.maths.black_scholes import GreekArrays
from greeks.sandbox.contracts import option_symbol
from greeks.sandbox.derived_quotes import derived_quote, with_greeks, without_carry
from greeks.sandbox.lines import LINES, MONTH_LETTERS, Line
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.sessions import EXCHANGES, Session
from greeks.sandbox.simulated import SimulatedEngine

_BITS = 31
_FIRST_DAY = date(2015, 1, 1)
_DECADE = 2020
_FUTURE = re.compile(r"/(?P<name>[A-Z]{1,4}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{1,2})")
_FUTURE_OPTION = re.compile(r"(\d{6})([CP])(\d+(?:\.\d+)?)")


class _Derived(NamedTuple):
    contract: Contract
    line: Line
    base: Contract


class DerivedEngine:
    """The simulated engine, with derived contracts beside its own."""

    def __init__(self, engine: SimulatedEngine) -> None:
        self._engine = engine
        self._by_symbol: dict[str, _Derived] = {}
        self._by_conid: dict[str, _Derived] = {}

    def derive(self, name: str, base: Contract, least: date) -> Contract:
        """Return a line's contract on a base; a dated one expires on ``least`` or next after."""
        line = LINES[name]
        expiry = line.next_expiry(least) if line.is_dated else base.expiry
        return self._made(name, base, expiry).contract

    def contract(self, key: str) -> Contract | None:
        found = self._by_symbol.get(key) or self._by_conid.get(key) or self._find(key)
        return found.contract if found is not None else self._engine.contract(key)

    def symbols(self) -> tuple[str, ...]:
        return self._engine.symbols()

    def expiries(self, symbol: str, seconds: float) -> tuple[date, ...]:
        return self._engine.expiries(symbol, seconds)

    def listed_expiries(self, symbol: str, day: date) -> tuple[date, ...]:
        return self._engine.listed_expiries(symbol, day)

    def chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        return self._engine.chain(symbol, expiry)

    def tradable_chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        return self._engine.tradable_chain(symbol, expiry)

    def typical_volatility(self, symbol: str) -> float:
        return self._engine.typical_volatility(symbol)

    def session(self, exchange: str, seconds: float) -> Session:
        return self._engine.session(_hours(exchange), seconds)

    def is_open(self, exchange: str, seconds: float) -> bool:
        return self._engine.is_open(_hours(exchange), seconds)

    def last_traded(self, exchange: str, seconds: Floats) -> Floats:
        return self._engine.last_traded(_hours(exchange), seconds)

    def values(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        bases, lines = self._bases(contracts)
        return self._engine.values(bases, seconds) * _rates(lines) + _shifts(lines)

    def greeks(self, contracts: Sequence[Contract], seconds: Floats) -> GreekArrays:
        """Return values and Greeks; an event contract has none."""
        bases, lines = self._bases(contracts)
        found = self._engine.greeks(bases, seconds)
        rate, spot = (
            _rates(lines),
            _column(1.0 if line is None else line.spot_rate for line in lines),
        )
        events = [line is not None and line.kind is InstrumentKind.EVENT for line in lines]
        kept = _column(0.0 if event else 1.0 for event in events)
        result = GreekArrays(
            found.price * rate + _shifts(lines),
            found.delta * rate / spot * kept,
            found.gamma * rate / (spot * spot) * kept,
            *(values * rate * kept for values in found[3:]),
        )
        for row, (contract, line) in enumerate(zip(contracts, lines, strict=True)):
            if _is_on_future(line):
                _, own = self._without_carry(contract, seconds)
                for values, numbers in zip(result[1:], own[1:], strict=True):
                    values[row] = numbers
        return result

    def spots(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        bases, lines = self._bases(contracts)
        spot = _column(1.0 if line is None else line.spot_rate for line in lines)
        return self._engine.spots(bases, seconds) * spot + _shifts(lines)

    def quotes(self, contracts: Sequence[Contract], seconds: float) -> list[SimulatedQuote]:
        bases, lines = self._bases(contracts)
        result = []
        for quote, contract, line in zip(
            self._engine.quotes(bases, seconds), contracts, lines, strict=True
        ):
            found = quote if line is None else derived_quote(quote, contract, line)
            if _is_on_future(line):
                found = with_greeks(found, *self._without_carry(contract, np.array([seconds])))
            result.append(found)
        return result

    def _without_carry(self, contract: Contract, seconds: Floats) -> tuple[Floats, GreekArrays]:
        price, future = self.values([contract], seconds)[0], self.spots([contract], seconds)[0]
        moments = self.last_traded(contract.exchange, np.atleast_1d(seconds))
        return without_carry(contract, price, future, moments)

    def _bases(self, contracts: Sequence[Contract]) -> tuple[list[Contract], list[Line | None]]:
        found = [self._by_symbol.get(contract.symbol) for contract in contracts]
        bases = [
            contract if made is None else made.base
            for contract, made in zip(contracts, found, strict=True)
        ]
        return bases, [None if made is None else made.line for made in found]

    def _made(self, name: str, base: Contract, expiry: date | None) -> _Derived:
        line = LINES[name]
        low = (expiry - _FIRST_DAY).days if line.is_dated and expiry else int(base.aliases["ibkr"])
        conid = str((list(LINES).index(name) + 1) << _BITS | low)
        known = self._by_conid.get(conid)
        if known is None:
            contract = _contract(line, base, expiry, conid)
            known = _Derived(contract, line, base)
            self._by_symbol[contract.symbol] = self._by_conid[conid] = known
        return known

    def _find(self, key: str) -> _Derived | None:
        """Return the contract with a conid or symbol that was not asked for before."""
        if key.isdecimal():
            return self._find_conid(int(key))
        for name, line in LINES.items():
            base: Contract | None
            if line.kind in (InstrumentKind.STOCK, InstrumentKind.INDEX) and key == line.name:
                base = self._engine.contract(line.base)
                return None if base is None else self._made(name, base, None)
            if line.kind is InstrumentKind.FUTURE:
                expiry = _expiry_of_code(line, key)
                base = self._engine.contract(line.base)
                if expiry is not None and base is not None:
                    return self._made(name, base, expiry)
            elif line.root:
                base = self._base_option(line, key)
                if base is not None:
                    return self._made(name, base, base.expiry)
        return None

    def _find_conid(self, number: int) -> _Derived | None:
        index, low = number >> _BITS, number & ((1 << _BITS) - 1)
        if not 1 <= index <= len(LINES):
            return None
        name, line = list(LINES.items())[index - 1]
        base = self._engine.contract(line.base if line.is_dated else str(low))
        if base is None or base.underlying != line.base:
            return None
        if not line.is_dated:
            fits = base.expiry is None if not line.root else base.expiry and line.lists(base.expiry)
            return self._made(name, base, base.expiry) if fits else None
        expiry = _FIRST_DAY + timedelta(days=low)
        return self._made(name, base, expiry) if line.next_expiry(expiry) == expiry else None

    def _base_option(self, line: Line, key: str) -> Contract | None:
        """Return the base's option behind an option's symbol, if the line lists it."""
        terms = _future_option_terms(line, key) or _option_terms(line, key)
        if terms is None or not line.lists(terms[0]):
            return None
        expiry, right, strike = terms
        return self._engine.contract(option_symbol(line.base, expiry, right, strike / line.rate))


def future_code(name: str, expiry: date) -> str:
    """Return a future's code: ``MESZ6``."""
    year = expiry.year - _DECADE
    return f"{name}{MONTH_LETTERS[expiry.month - 1]}{year if 0 <= year < 10 else expiry.year % 100}"


def _contract(line: Line, base: Contract, expiry: date | None, conid: str) -> Contract:
    strike = line.strike if base.strike is None else base.strike * line.rate
    right = Right.CALL if line.kind is InstrumentKind.EVENT else base.right
    symbol, underlying, root = line.name, line.name, line.root or line.name
    if expiry is not None and line.kind is InstrumentKind.FUTURE:
        symbol, underlying = f"/{future_code(line.name, expiry)}", f"/{line.name}"
        root = underlying
    elif expiry is not None and line.kind is InstrumentKind.FUTURE_OPTION and right and strike:
        code = future_code(line.name, expiry)
        root, underlying = code, f"/{code}"
        symbol = f"./{code:<5}{root:<6}{expiry:%y%m%d}{right.value}{strike.normalize():f}"
    elif expiry is not None and line.kind is InstrumentKind.EVENT:
        symbol = f"{line.name} {expiry:%Y%m%d} {strike} yes"
    elif expiry is not None and right and strike is not None:
        symbol = option_symbol(line.root, expiry, right, strike)
    title = line.description if not right else f"{line.description} {expiry} {strike} {right.value}"
    aliases = {"ibkr": conid}
    if line.currency == "USD" and line.kind is not InstrumentKind.EVENT:
        aliases["tastytrade"] = symbol
    return Contract(
        kind=line.kind,
        symbol=symbol,
        underlying=underlying,
        root=root,
        multiplier=line.multiplier,
        currency=line.currency,
        expiry=expiry,
        strike=None if strike is None else strike.normalize() + 0,
        right=right,
        exchange=line.exchange,
        description=title,
        deliverable=line.deliverable,
        aliases=aliases,
    )


def _expiry_of_code(line: Line, key: str) -> date | None:
    matched = _FUTURE.fullmatch(key)
    if matched is None or matched["name"] != line.name or matched["month"] not in line.months:
        return None
    year = int(matched["year"])
    year += _DECADE if len(matched["year"]) == 1 else 2000
    return line.next_expiry(date(year, MONTH_LETTERS.index(matched["month"]) + 1, 1))


def _option_terms(line: Line, key: str) -> tuple[date, Right, Decimal] | None:
    if len(key) < 16 or key[:-15].strip() != line.root or line.kind is not InstrumentKind.OPTION:
        return None
    return _terms(key[-15:-9], key[-9], Decimal(key[-8:]) / 1000 if key[-8:].isdecimal() else None)


def _future_option_terms(line: Line, key: str) -> tuple[date, Right, Decimal] | None:
    if line.kind is not InstrumentKind.FUTURE_OPTION or not key.startswith(f"./{line.name}"):
        return None
    matched = _FUTURE_OPTION.fullmatch(key[13:])
    return None if matched is None else _terms(matched[1], matched[2], Decimal(matched[3]))


def _terms(day: str, right: str, strike: Decimal | None) -> tuple[date, Right, Decimal] | None:
    if not day.isdecimal() or right not in ("C", "P") or not strike:
        return None
    try:
        expiry = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    except ValueError:
        return None
    return expiry, Right(right), strike


def _is_on_future(line: Line | None) -> bool:
    return line is not None and line.kind is InstrumentKind.FUTURE_OPTION


def _hours(exchange: str) -> str:
    return exchange if exchange in EXCHANGES else "NYSE"


def _column(values: Any) -> Floats:
    return np.fromiter(values, np.float64)[:, None]


def _rates(lines: Sequence[Line | None]) -> Floats:
    return _column(1.0 if line is None else float(line.rate) for line in lines)


def _shifts(lines: Sequence[Line | None]) -> Floats:
    return _column(0.0 if line is None else line.shift for line in lines)
