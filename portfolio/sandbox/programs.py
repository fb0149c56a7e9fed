"""The demo accounts' strategies: opened, held and rolled by the calendar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

from greeks.domain import Contract, Right
from greeks.sandbox.lines import LINES
from greeks.sandbox.market import Market


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a strategy.

    ``ratio`` is signed and multiplies the program's size. An option's strike is ``deviations``
    standard deviations of the underlying away from spot; ``later_days`` moves its expiry out.
    ``right`` None is the underlying itself.
    """

    ratio: int
    right: Right | None = None
    deviations: float = 0.0
    later_days: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """One strategy in one account.

    It is opened on ``weekday`` of every ``weeks``-th week, ``minute`` minutes after the exchange
    opens, and held until the next opening. ``days`` is the least life that its first expiry has
    left when the position is closed. ``week`` offsets programs of the same length. A program that
    is ``settled`` keeps its options until they expire, ``days`` after the opening at the earliest,
    and sells delivered shares in the next session. The shares of one that is ``split`` are doubled
    in the first night. ``line`` names
    contracts derived from the symbol's (:mod:`greeks.sandbox.lines`), which are traded instead.
    """

    name: str
    account: str
    symbol: str
    size: int
    legs: tuple[Leg, ...]
    days: int = 0
    weeks: int = 52
    week: int = 0
    weekday: int = 0
    minute: int = 45
    line: str = ""
    settled: bool = False
    split: bool = False


STOCK = (Leg(1),)
SHORT = (Leg(-1),)
COVERED_CALL = (Leg(-1, Right.CALL, 0.9),)
LONG_CALL = (Leg(1, Right.CALL, -0.5),)
LONG_PUT = (Leg(1, Right.PUT, -0.7),)
CONDOR = (
    Leg(1, Right.PUT, -1.9),
    Leg(-1, Right.PUT, -1.2),
    Leg(-1, Right.CALL, 1.2),
    Leg(1, Right.CALL, 1.9),
)
STRANGLE = (Leg(-1, Right.PUT, -1.1), Leg(-1, Right.CALL, 1.1))
PUT_CALENDAR = (Leg(-1, Right.PUT, -0.25), Leg(1, Right.PUT, -0.25, later_days=30))
PUT_CREDIT_SPREAD = (Leg(-1, Right.PUT, -0.7), Leg(1, Right.PUT, -1.5))
NEAR_PUT_SPREAD = (Leg(-1, Right.PUT, -0.1), Leg(1, Right.PUT, -0.7))
NEAR_CALL = (Leg(1, Right.CALL, -0.3),)
NEAR_CALL_SPREAD = (Leg(1, Right.CALL, -0.6), Leg(-1, Right.CALL, 0.3))
CALL_DEBIT_SPREAD = (Leg(1, Right.CALL, 0.2), Leg(-1, Right.CALL, 1.0))

IBKR, TASTYTRADE = "DU1000001", "5WX00001"

SIMULATED_PROGRAMS: tuple[Program, ...] = (
    Program("stock", IBKR, "SPY", 200, STOCK, week=11),
    Program("stock", IBKR, "AAPL", 300, STOCK, week=29),
    Program("stock", IBKR, "NVDA", 150, STOCK, week=37),
    Program("covered call", IBKR, "AAPL", 3, COVERED_CALL, 12, 1, 0, 1, 33),
    Program("iron condor", IBKR, "SPY", 5, CONDOR, 18, 4, 1, 1, 62),
    Program("strangle", IBKR, "QQQ", 2, STRANGLE, 20, 1, 0, 2, 75),
    Program("calendar", IBKR, "SPY", 6, PUT_CALENDAR, 8, 1, 0, 3, 120),
    Program("call spread", IBKR, "NVDA", 8, CALL_DEBIT_SPREAD, 10, 1, 0, 4, 35),
    Program("put spread", IBKR, "QQQ", 4, PUT_CREDIT_SPREAD, 4, 1, 0, 0, 20),
    Program("LEAPS call", IBKR, "AAPL", 2, LONG_CALL, 330, 52, 20),
    Program("crash hedge", IBKR, "SPY", 4, LONG_PUT, 200, 26, 5),
    Program("volatility call spread", IBKR, "VIX", 20, CALL_DEBIT_SPREAD, 14, 4, 3, 2, 150),
    # Only shares are delivered that the account buys: it never holds short ones.
    Program("expiring put spread", IBKR, "SPY", 1, NEAR_PUT_SPREAD, 4, 1, 0, 0, 50, settled=True),
    Program("expiring call", IBKR, "NVDA", 1, NEAR_CALL, 11, 2, 1, 1, 80, settled=True),
    Program("settled calls", IBKR, "VIX", 2, NEAR_CALL_SPREAD, 6, 4, 1, 3, 95, settled=True),
    Program("split stock", IBKR, "QQQ", 10, STOCK, 0, 8, 3, 2, 372, split=True),
    Program("stock", TASTYTRADE, "QQQ", 100, STOCK, week=17),
    Program("stock", TASTYTRADE, "NVDA", 200, STOCK, week=23),
    Program("covered call", TASTYTRADE, "NVDA", 2, COVERED_CALL, 12, 1, 0, 4, 40),
    Program("iron condor", TASTYTRADE, "SPY", 3, CONDOR, 18, 4, 1, 1, 62),
    Program("iron condor", TASTYTRADE, "QQQ", 2, CONDOR, 18, 1, 0, 0, 48),
    Program("strangle", TASTYTRADE, "AAPL", 2, STRANGLE, 14, 4, 1, 3, 55),
    Program("calendar", TASTYTRADE, "AAPL", 4, PUT_CALENDAR, 8, 1, 0, 2, 28),
    Program("put spread", TASTYTRADE, "SPY", 5, PUT_CREDIT_SPREAD, 3, 1, 0, 1, 22),
    Program("put spread", TASTYTRADE, "NVDA", 4, PUT_CREDIT_SPREAD, 5, 1, 0, 3, 26),
    Program("LEAPS call", TASTYTRADE, "NVDA", 2, LONG_CALL, 330, 52, 8),
    # One small position of every other kind of contract.
    Program("share", IBKR, "SPY", 400, STOCK, week=3, line="share in pence"),
    Program("put", IBKR, "QQQ", 2, LONG_PUT, 30, 13, 2, 1, 64, line="option in euros"),
    Program("call", IBKR, "NIFTY", 1, LONG_CALL, 3, 1, 0, 0, 70, line="option in rupees"),
    Program("put", IBKR, "SPY", 1, LONG_PUT, 20, 4, 2, 3, 80, line="morning option"),
    Program("put", IBKR, "SPY", 1, LONG_PUT, 7, 1, 0, 4, 85, line="evening option"),
    Program("hedge", IBKR, "SPY", 2, SHORT, 10, 4, 0, 2, 90, line="index future"),
    Program("put", IBKR, "SPY", 2, LONG_PUT, 10, 4, 0, 2, 95, line="option on a future"),
    Program("future", IBKR, "QQQ", 1, STOCK, 10, 4, 1, 3, 100, line="future in cents"),
    Program("future", IBKR, "VIX", 1, STOCK, 5, 4, 3, 0, 105, line="future below zero"),
    Program("event", IBKR, "VIX", 500, STOCK, 5, 4, 2, 1, 110, line="event contract"),
    Program("call", TASTYTRADE, "NVDA", 5, LONG_CALL, 20, 4, 1, 2, 115, line="adjusted option"),
    Program("future", TASTYTRADE, "SPY", 1, STOCK, 10, 4, 2, 3, 120, line="index future"),
    Program("put", TASTYTRADE, "SPY", 2, LONG_PUT, 10, 4, 3, 1, 125, line="option on a future"),
    Program(
        "expiring put spread", TASTYTRADE, "AAPL", 1, NEAR_PUT_SPREAD, 3, 1, 0, 1, 66, settled=True
    ),
    Program("expiring call", TASTYTRADE, "SPY", 1, NEAR_CALL, 9, 2, 0, 2, 58, settled=True),
    Program("settled calls", TASTYTRADE, "VIX", 1, NEAR_CALL_SPREAD, 6, 4, 2, 3, 99, settled=True),
    Program("split stock", TASTYTRADE, "SPY", 6, STOCK, 0, 8, 5, 1, 372, split=True),
)


def recorded_programs(symbol: str, *, has_shares: bool) -> tuple[Program, ...]:
    """Return the same kinds of strategies on the one underlying of a chain file.

    ``weeks`` and ``weekday`` only say how long before the file's time each was opened.
    """
    shares = (
        Program("stock", IBKR, symbol, 300, STOCK, week=4, weekday=2),
        Program("covered call", IBKR, symbol, 3, COVERED_CALL, 25, week=2, weekday=1),
        Program("stock", TASTYTRADE, symbol, 100, STOCK, week=3, weekday=4),
        Program("covered call", TASTYTRADE, symbol, 1, COVERED_CALL, 50, week=1, weekday=3),
    )
    options = (
        Program("iron condor", IBKR, symbol, 5, CONDOR, 40, week=2, weekday=2),
        Program("strangle", IBKR, symbol, 2, STRANGLE, 25, week=1, weekday=0),
        Program("calendar", IBKR, symbol, 4, PUT_CALENDAR, 18, week=1, weekday=4),
        Program(
            "call spread", IBKR, symbol, 6, CALL_DEBIT_SPREAD, 10, week=0, weekday=0, minute=30
        ),
        Program("LEAPS call", IBKR, symbol, 2, LONG_CALL, 400, week=6, weekday=3),
        Program("crash hedge", IBKR, symbol, 3, LONG_PUT, 200, week=6, weekday=0),
        Program("iron condor", TASTYTRADE, symbol, 3, CONDOR, 40, week=2, weekday=2),
        Program("put spread", TASTYTRADE, symbol, 5, PUT_CREDIT_SPREAD, 5, week=0, weekday=0),
        Program("strangle", TASTYTRADE, symbol, 1, STRANGLE, 85, week=3, weekday=1),
        Program("calendar", TASTYTRADE, symbol, 3, PUT_CALENDAR, 30, week=1, weekday=1),
        Program("LEAPS call", TASTYTRADE, symbol, 1, LONG_CALL, 650, week=5, weekday=2),
    )
    return shares + options if has_shares else options


def choose_contracts(
    market: Market, program: Program, *, opened_on: date, closed_on: date, spot: float
) -> tuple[tuple[Contract, int], ...]:
    """Return the program's contracts with signed quantities; empty if the market lists none."""
    chosen = []
    for leg in program.legs:
        least = closed_on + timedelta(days=program.days + leg.later_days)
        if leg.right is None:
            contract: Contract | None = market.underlying(program.symbol)
        else:
            contract = _nearest(market, program, leg, least, opened_on, spot)
        if contract is None:
            return ()
        if program.line:
            contract = market.derive(program.line, contract, least)
        chosen.append((contract, leg.ratio * program.size))
    return tuple(chosen)


def _nearest(
    market: Market, program: Program, leg: Leg, least: date, opened_on: date, spot: float
) -> Contract | None:
    """Return the leg's option in the first expiry from ``least`` on, else in the last expiry."""
    symbol, line = program.symbol, LINES.get(program.line)
    listed = [
        day for day in market.listed_expiries(symbol, opened_on) if line is None or line.lists(day)
    ]
    if not listed:
        return None
    expiry = next((day for day in listed if day >= least), listed[-1])
    years = max((expiry - opened_on).days, 1) / 365.0
    deviation = market.typical_volatility(symbol) * math.sqrt(years)
    target = spot * math.exp(leg.deviations * deviation)
    options = [
        contract
        for contract in market.tradable_chain(symbol, expiry)
        if contract.right is leg.right
    ]
    return min(options, key=lambda option: abs(float(option.strike or 0) - target), default=None)
