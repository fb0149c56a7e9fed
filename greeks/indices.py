"""Indices that options are written on, by currency: ``Z`` is the FTSE 100 in pounds and a share in
dollars, ``DAX`` an index in euros and a fund in dollars.

Source: knowledge of the exchanges' contract specifications (Cboe, Nasdaq, MIAX, Eurex, Euronext,
ICE, HKEX, JPX, KRX, NSE, BSE, ASX, Montréal), no copy of them.
"""

from __future__ import annotations

from typing import Final

#: Sector indices of STOXX, of Europe and of the euro area: ``SX7P``, ``SX7E``.
SECTORS: Final = frozenset(
    f"SX{sector}{region}" for sector in "34678ADEFIKMNOPQRT" for region in "EP"
)
#: Cboe's of the sectors of the S&P 500.
SELECT_SECTORS: Final = frozenset(
    {"SIXB", "SIXC", "SIXE", "SIXI", "SIXM", "SIXR", "SIXRE", "SIXT", "SIXU", "SIXV", "SIXY"}
)
#: IBKR's names as well: ``FTMIB`` is the FTSE MIB, ``NSEFIN`` is ``FINNIFTY``.
INDICES: Final = {
    "USD": SELECT_SECTORS
    | {"SPX", "XSP", "NDX", "XND", "NQX", "RUT", "MRUT", "RUI", "RLG", "RLV", "VIX", "DJX", "OEX",
       "XEO", "MXEA", "MXEF", "MXACW", "MXUSA", "MXWLD", "SPEQX", "SOX", "CBTX", "MBTX", "NANOS",
       "BKX", "XAU", "HGX", "OSX", "UTY", "SPIKE", "MGTN", "XINA50"},
    "EUR": SECTORS
    | {"DAX", "MDAX", "TECDAX", "TDX", "ESTX50", "SX5E", "STX", "SXXP", "DJ600", "V2TX", "CAC40",
       "EOE", "AEX", "AMX", "BFX", "BEL20", "PSI20", "ATX", "MIB", "FTMIB", "FTSEMIB", "IBEX",
       "IBEX35", "OMXH25"},
    "GBP": frozenset({"Z", "UKX", "FTSE"}),
    "CHF": frozenset({"SMI", "SLI", "SMIM"}),
    "SEK": frozenset({"OMXS30"}),
    "NOK": frozenset({"OBX"}),
    "DKK": frozenset({"OMXC25"}),
    "HKD": frozenset({"HSI", "MHI", "HHI", "HHI.HK", "MCH", "MCH.HK", "HSTECH", "HTI"}),
    "JPY": frozenset({"N225", "N225M", "TOPX", "JPNK400", "SGXNK"}),
    "KRW": frozenset({"K200", "K200M", "KS200", "KOSPI2", "KOSDQ150"}),
    "INR": frozenset(
        {"NIFTY", "NIFTY50", "BANKNIFTY", "FINNIFTY", "NSEFIN", "MIDCPNIFTY", "NIFTYNXT50",
         "SENSEX", "SENSEX50", "BANKEX"}
    ),
    "AUD": frozenset({"XJO", "AP"}),
    "CAD": frozenset({"SXO", "TX60", "TSE60"}),
}  # fmt: skip


def is_index(symbol: str, currency: str = "USD") -> bool:
    return symbol.upper() in INDICES.get(currency.upper(), ())
