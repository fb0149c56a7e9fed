"""What differs by product: exercise style of options, and hours of expiry of options on indices and
on futures.

Source: knowledge of the exchanges' contract specifications (those of the indices; CME Group), no
copy of them. As pages of the exchanges say: lean hogs, feeder cattle (CME Group: 12:00 of the last
trading day), cocoa, sugar (ICE Futures U.S.: 17:00 of the last trading day), Nikkei 225 (JPX),
S&P/TSX 60 (Montréal), S&P/ASX 200 (ASX: opening prices of the day of expiry); PM of the MSCI
indices, AM of select sectors, Bitcoin funds and the Magnificent 10 (Cboe), AM of KBW's banks, PM
and American exercise of gold and silver (PHLX); 09:30 of quarterly options on the Russell 2000
future, 12:10 of dairy, 16:00 of federal funds, 09:15 of the real, 13:05 of random length lumber,
16:00 in New York of Bitcoin Friday futures (CME Group), 18:30 of grains (Euronext), 19:30 of Brent,
13:15 in Winnipeg of canola (ICE), noon of the SPI 200 (ASX); European exercise of options on
currencies and on bitcoin and ether (CME Group). A vendor's own instant comes first.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from greeks.domain import Contract, ExerciseStyle, InstrumentKind
from greeks.indices import INDICES, SECTORS, SELECT_SECTORS, is_index
from greeks.instruments.business_days import nth_weekday

# Monthly roots settled from opening prices; their weekly roots (SPXW, RUTW, NDXP) settle at the
# close. All VIX series settle in the morning.
AM_SETTLED_ROOTS: Final = SELECT_SECTORS | {
    "SPX", "NDX", "RUT", "RUI", "RLG", "RLV", "DJX", "SOX", "BKX", "CBTX", "MBTX", "MGTN", "SPIKE",
    "VIX", "VIXW",
}  # fmt: skip
#: FLEX roots are a digit and the listed root: ``4SPXW``.
_FLEX: Final = re.compile(r"^\d(?=[A-Z])", re.ASCII)
#: Roots of index options that differ from the index's name.
_INDEX_ROOTS: Final = {
    "USD": {"SPXW", "XSPW", "NDXP", "RUTW", "VIXW", "CBTXW", "MBTXW", "MGTNW"},
    "EUR": {"ODAX", "TDXP", "OESX"},
    "CHF": {"OSMI"},
}
#: Index options that may be exercised at any time.
_AMERICAN_INDICES: Final = frozenset({"OEX", "XAU"})
#: Sectors of PHLX (housing, oil service, utilities): what was found names no style.
_UNKNOWN_INDICES: Final = frozenset({"HGX", "OSX", "UTY"})
#: Exchanges of these currencies (NSE, JPX, KRX, TAIFEX) list European options only.
_ALL_EUROPEAN: Final = frozenset({"INR", "JPY", "KRW", "TWD"})

_NEW_YORK: Final = ZoneInfo("America/New_York")
_CHICAGO: Final = ZoneInfo("America/Chicago")
_LONDON: Final = ZoneInfo("Europe/London")
_BERLIN: Final = ZoneInfo("Europe/Berlin")
_PARIS: Final = ZoneInfo("Europe/Paris")
#: By currency and index: when its options settle on their day, if not at the market's close.
_INDEX_HOURS: Final = {
    "USD": {"XINA50": (ZoneInfo("Asia/Shanghai"), time(15, 0))},
    "EUR": {
        **dict.fromkeys(("DAX", "MDAX", "TECDAX", "TDX"), (_BERLIN, time(13, 0))),
        **dict.fromkeys(
            SECTORS | {"ESTX50", "SX5E", "STX", "SXXP", "DJ600", "V2TX"}, (_BERLIN, time(12, 0))
        ),
        **dict.fromkeys(("CAC40", "EOE", "AEX", "BFX", "BEL20"), (_PARIS, time(16, 0))),
        **dict.fromkeys(("IBEX", "IBEX35"), (ZoneInfo("Europe/Madrid"), time(16, 45))),
        **dict.fromkeys(("MIB", "FTMIB", "FTSEMIB"), (ZoneInfo("Europe/Rome"), time(9, 5))),
    },
    "GBP": dict.fromkeys(("Z", "UKX", "FTSE"), (_LONDON, time(10, 15))),
    "JPY": dict.fromkeys(INDICES["JPY"], (ZoneInfo("Asia/Tokyo"), time(9, 0))),
    "CAD": dict.fromkeys(INDICES["CAD"], (ZoneInfo("America/Toronto"), time(9, 30))),
    "CHF": dict.fromkeys(("SMI", "SLI", "SMIM"), (ZoneInfo("Europe/Zurich"), time(9, 0))),
    "AUD": dict.fromkeys(("XJO", "AP"), (ZoneInfo("Australia/Sydney"), time(10, 0))),
}
#: Product of the future → when its options expire, if they are in dollars.
_FUTURE_OPTION_HOURS: Final = {
    **dict.fromkeys(
        ("CL", "MCL", "QM", "WTI", "NG", "MNG", "HO", "RB", "BZ"), (_NEW_YORK, time(14, 30))
    ),
    "COIL": (_LONDON, time(19, 30)),
    **dict.fromkeys(
        ("GC", "MGC", "SI", "SIL", "HG", "MHG", "PL", "PA"), (_NEW_YORK, time(13, 30))
    ),
    **dict.fromkeys(
        ("6A", "6B", "6C", "6E", "6J", "6M", "6N", "6S", "AUD", "GBP", "CAD", "EUR", "JPY", "MXP",
         "NZD", "CHF", "M6A", "M6B", "M6E"),
        (_CHICAGO, time(9, 0)),
    ),
    **dict.fromkeys(
        ("ZC", "ZS", "ZW", "ZL", "ZM", "ZO", "ZR", "KE", "XC", "XK", "XW", "MZC", "MZS", "MZW",
         "MZL"),
        (_CHICAGO, time(13, 20)),
    ),
    "6L": (_CHICAGO, time(9, 15)),
    "LE": (_CHICAGO, time(13, 0)),
    "LBS": (_CHICAGO, time(13, 5)),
    **dict.fromkeys(("HE", "GF"), (_CHICAGO, time(12, 0))),
    **dict.fromkeys(
        ("DC", "DA", "GDK", "GNF", "NF", "DY", "CB", "CSC"), (_CHICAGO, time(12, 10))
    ),
    **dict.fromkeys(("KC", "SB", "CC", "CT", "OJ"), (_NEW_YORK, time(17, 0))),
    **dict.fromkeys(
        ("ZT", "ZF", "ZN", "TN", "ZB", "UB", "ZQ", "SR1", "SR3"), (_CHICAGO, time(16, 0))
    ),
    **dict.fromkeys(
        ("BTC", "MBT", "ETH", "MET", "BRR", "ETHUSDRR", "SOL", "MSL", "XRP"),
        (_LONDON, time(16, 0)),
    ),
    "BFF": (_NEW_YORK, time(16, 0)),
}  # fmt: skip
#: By currency; in others than the dollar by IBKR's names: Eurex's bonds, Euronext's grains,
#: Euribor, canola, the SPI 200.
_FUTURE_OPTION_HOURS_BY_CURRENCY: Final = {
    "USD": _FUTURE_OPTION_HOURS,
    "EUR": {
        **dict.fromkeys(("GBL", "GBM", "GBS", "GBX", "OAT", "BTP"), (_BERLIN, time(17, 15))),
        **dict.fromkeys(("EBM", "ECO", "EMA"), (_PARIS, time(18, 30))),
        "I": (_LONDON, time(10, 0)),
        "V2TX": (_BERLIN, time(12, 0)),
    },
    "CAD": {"RS": (ZoneInfo("America/Winnipeg"), time(13, 15))},
    "AUD": dict.fromkeys(("SPI", "AP"), (ZoneInfo("Australia/Sydney"), time(12, 0))),
}
#: Equity indices: the quarterly option, of the future's own root and on the third Friday of March,
#: June, September and December, settles from the opening.
_EQUITY_INDICES: Final = frozenset({"ES", "MES", "NQ", "MNQ", "RTY", "M2K", "YM", "MYM", "EMD"})
#: Futures in dollars all of whose options are European. Of those on equity indices all but the
#: quarterly ones are.
_EUROPEAN_FUTURES: Final = frozenset(
    {
        "6A", "6B", "6C", "6E", "6J", "6L", "6S", "AUD", "GBP", "CAD", "EUR", "JPY", "CHF",
        "BTC", "MBT", "ETH", "MET", "BRR", "ETHUSDRR",
    }
)  # fmt: skip
#: Where the quarterly option's root is not the future's.
_QUARTERLY_ROOTS: Final = {"RTY": "RTO", "YM": "OYM"}
_OPENING: Final = (_NEW_YORK, time(9, 30))
_MONTH: Final = re.compile(r"(?<=.)[FGHJKMNQUVXZ]\d{1,2}$", re.ASCII)


def exercise_style(contract: Contract) -> str:
    """``european``, ``american``, or empty if unknown or no option.

    Options on futures that are not in the table are mostly American.
    """
    currency = contract.currency.upper()
    if contract.kind is InstrumentKind.FUTURE_OPTION:
        return _style_on_future(contract) if currency == "USD" else ""
    if contract.kind is not InstrumentKind.OPTION:
        return ""
    if currency in _ALL_EUROPEAN:
        return ExerciseStyle.EUROPEAN.value
    if currency not in INDICES:
        return ""
    root, underlying = listed_root(contract), contract.underlying.upper()
    if currency == "USD" and underlying in _UNKNOWN_INDICES:
        return ""
    european = root in _INDEX_ROOTS.get(currency, ()) or any(
        is_index(name, currency) and name not in _AMERICAN_INDICES for name in (root, underlying)
    )
    return (ExerciseStyle.EUROPEAN if european else ExerciseStyle.AMERICAN).value


def _style_on_future(contract: Contract) -> str:
    product = _product(contract.underlying)
    if product in _EQUITY_INDICES:
        of_quarters = _has_quarterly_root(contract, product)
        return (ExerciseStyle.AMERICAN if of_quarters else ExerciseStyle.EUROPEAN).value
    return ExerciseStyle.EUROPEAN.value if product in _EUROPEAN_FUTURES else ""


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


def index_hour(contract: Contract) -> tuple[ZoneInfo, time] | None:
    """Return zone and hour at which an option on an index settles, if not at the market's close."""
    if contract.kind is not InstrumentKind.OPTION:
        return None
    if is_settled_from_opening(contract):
        return _OPENING
    hours = _INDEX_HOURS.get(contract.currency.upper(), {})
    return hours.get(contract.underlying.upper()) or hours.get(listed_root(contract))


def future_option_hour(contract: Contract) -> tuple[ZoneInfo, time] | None:
    """Return zone and hour at which an option on a future expires; ``None`` if not in the table."""
    product, currency = _product(contract.underlying), contract.currency.upper()
    if currency == "USD" and product in _EQUITY_INDICES:
        quarterly = _has_quarterly_root(contract, product) and _is_quarterly(contract.expiry)
        return _OPENING if quarterly else None
    return _FUTURE_OPTION_HOURS_BY_CURRENCY.get(currency, {}).get(product)


def _has_quarterly_root(contract: Contract, product: str) -> bool:
    """Return whether the root is that of quarterly options on the future of an equity index."""
    return _product(contract.root) in (product, _QUARTERLY_ROOTS.get(product))


def _is_quarterly(day: date | None) -> bool:
    """Return whether it is the third Friday of a quarter, or the day before Juneteenth on one."""
    if day is None or day.month % 3:
        return False
    third_friday = nth_weekday(day.year, day.month, 4, 3)
    is_holiday = (third_friday.month, third_friday.day) == (6, 19)
    return day == third_friday - timedelta(days=is_holiday)


def _product(name: str) -> str:
    """``/MCLJ6`` → ``MCL``; ``CL`` stays."""
    return _MONTH.sub("", name.upper().removeprefix("/"))
