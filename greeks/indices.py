"""Indices that options are written on, by currency: ``Z`` is the FTSE 100 in pounds and a share in
dollars, ``DAX`` an index in euros and a fund in dollars.

Source: knowledge of the exchanges' contract specifications (Cboe, Nasdaq, Eurex, Euronext, ICE,
HKEX, JPX, KRX, NSE, ASX, Montréal), no copy of them.
"""

from __future__ import annotations

from typing import Final

INDICES: Final = {
    "USD": frozenset(
        {"SPX", "XSP", "NDX", "XND", "NQX", "RUT", "MRUT", "RUI", "RLG", "RLV", "VIX", "DJX", "OEX",
         "XEO", "MXEA", "MXEF", "MXACW", "MXUSA", "MXWLD", "SPEQX", "SOX", "CBTX", "MBTX", "NANOS"}
    ),
    "EUR": frozenset(
        {"DAX", "MDAX", "TECDAX", "ESTX50", "SX5E", "SXXP", "SX7E", "V2TX", "CAC40", "EOE", "AEX",
         "BFX", "BEL20", "PSI20", "ATX", "MIB", "FTSEMIB", "IBEX"}
    ),
    "GBP": frozenset({"Z", "UKX", "FTSE"}),
    "CHF": frozenset({"SMI", "SLI", "SMIM"}),
    "SEK": frozenset({"OMXS30"}),
    "NOK": frozenset({"OBX"}),
    "DKK": frozenset({"OMXC25"}),
    "HKD": frozenset({"HSI", "MHI", "HHI", "HHI.HK", "MCH", "HSTECH", "HTI"}),
    "JPY": frozenset({"N225", "N225M", "TOPX"}),
    "KRW": frozenset({"K200", "KS200", "KOSPI2"}),
    "INR": frozenset(
        {"NIFTY", "NIFTY50", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX",
         "BANKEX"}
    ),
    "AUD": frozenset({"XJO", "AP"}),
    "CAD": frozenset({"SXO", "TX60"}),
}  # fmt: skip


def is_index(symbol: str, currency: str = "USD") -> bool:
    return symbol.upper() in INDICES.get(currency.upper(), ())
