"""What differs by product: exercise style of options, and hours of expiry of options on futures.

Source: knowledge of the exchanges' contract specifications (Cboe, PHLX, Eurex, ICE, Euronext,
HKEX, JPX, NSE, ASX, Montréal; CME Group), no copy of them. A vendor's own instant comes first.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from greeks.domain import Contract, ExerciseStyle, InstrumentKind

# Monthly roots settled from opening prices; their weekly roots (SPXW, RUTW, NDXP) settle at the
# close. All VIX series settle in the morning.
AM_SETTLED_ROOTS: Final = frozenset({"SPX", "NDX", "RUT", "DJX", "MXEA", "MXEF", "VIX", "VIXW"})
#: Cash-settled US index options, exercised only at expiry.
EUROPEAN_ROOTS: Final = AM_SETTLED_ROOTS | frozenset(
    {"SPXW", "XSP", "XSPW", "NDXP", "XND", "RUTW", "MRUT", "XEO", "SOX"}
)
#: FLEX roots are a digit and the listed root: ``4SPXW``.
_FLEX: Final = re.compile(r"^\d(?=[A-Z])")
#: Index options exercised only at expiry, by currency: ``Z`` is the FTSE 100 in London and a share
#: in New York.
_EUROPEAN: Final = {
    "USD": EUROPEAN_ROOTS,
    "EUR": frozenset(
        {"DAX", "ODAX", "MDAX", "TDXP", "ESTX50", "OESX", "SX5E", "SX7E", "V2TX", "CAC40", "EOE",
         "AEX", "MIB", "FTSEMIB", "IBEX"}
    ),
    "GBP": frozenset({"Z", "UKX", "FTSE"}),
    "CHF": frozenset({"SMI", "OSMI"}),
    "HKD": frozenset({"HSI", "MHI", "HHI", "HHI.HK", "MCH", "HSTECH", "HTI"}),
    "AUD": frozenset({"XJO", "AP"}),
    "CAD": frozenset({"SXO", "TX60"}),
}  # fmt: skip
#: Exchanges of these currencies (NSE, JPX) list European options only.
_ALL_EUROPEAN: Final = frozenset({"INR", "JPY"})

_NEW_YORK: Final = ZoneInfo("America/New_York")
_CHICAGO: Final = ZoneInfo("America/Chicago")
#: Product of the future → when its options expire.
_FUTURE_OPTION_HOURS: Final = {
    **dict.fromkeys(("CL", "MCL", "QM", "NG", "HO", "RB"), (_NEW_YORK, time(14, 30))),
    **dict.fromkeys(("GC", "MGC", "SI", "HG"), (_NEW_YORK, time(13, 30))),
    **dict.fromkeys(
        ("6A", "6B", "6C", "6E", "6J", "6S", "AUD", "GBP", "CAD", "EUR", "JPY", "CHF", "M6E"),
        (_CHICAGO, time(9, 0)),
    ),
    **dict.fromkeys(("ZC", "ZS", "ZW", "ZL", "ZM", "KE"), (_CHICAGO, time(13, 20))),
}
#: Equity indices: the quarterly option, of the future's own root and on the third Friday of March,
#: June, September and December, settles from the opening.
_EQUITY_INDICES: Final = frozenset({"ES", "MES", "NQ", "MNQ", "RTY", "M2K", "YM", "MYM", "EMD"})
_OPENING: Final = (_NEW_YORK, time(9, 30))
_MONTH: Final = re.compile(r"(?<=.)[FGHJKMNQUVXZ]\d{1,2}$")


def exercise_style(contract: Contract) -> str:
    """``european``, ``american``, or empty if unknown or no option on a share or an index."""
    currency = contract.currency.upper()
    if contract.kind is not InstrumentKind.OPTION:
        return ""
    if currency in _ALL_EUROPEAN:
        return ExerciseStyle.EUROPEAN.value
    if currency not in _EUROPEAN:
        return ""
    names = {listed_root(contract), contract.underlying.upper()}
    european = not names.isdisjoint(_EUROPEAN[currency])
    return (ExerciseStyle.EUROPEAN if european else ExerciseStyle.AMERICAN).value


def is_settled_from_opening(contract: Contract) -> bool:
    """Return whether it is an index option that settles from the opening prices of its day."""
    return (
        contract.kind is InstrumentKind.OPTION
        and contract.currency.upper() == "USD"
        and listed_root(contract) in AM_SETTLED_ROOTS
    )


def listed_root(contract: Contract) -> str:
    """Return the root without the digit of a FLEX option."""
    return _FLEX.sub("", (contract.root or contract.underlying).upper())


def future_option_hour(contract: Contract) -> tuple[ZoneInfo, time] | None:
    """Return zone and hour at which an option on a future expires; ``None`` if not in the table."""
    product = _product(contract.underlying)
    if product in _EQUITY_INDICES:
        own_root = _product(contract.root) == product
        return _OPENING if own_root and _is_quarterly(contract.expiry) else None
    return _FUTURE_OPTION_HOURS.get(product)


def _is_quarterly(day: date | None) -> bool:
    """Return whether it is the third Friday of a quarter, or the day before Juneteenth on one."""
    if day is None or day.month % 3:
        return False
    first = day.replace(day=1)
    third_friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    is_holiday = (third_friday.month, third_friday.day) == (6, 19)
    return day == third_friday - timedelta(days=is_holiday)


def _product(name: str) -> str:
    """``/MCLJ6`` → ``MCL``; ``CL`` stays."""
    return _MONTH.sub("", name.upper().removeprefix("/"))
