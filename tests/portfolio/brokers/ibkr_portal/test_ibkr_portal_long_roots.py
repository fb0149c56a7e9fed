"""Roots over IBKR: too long for an OCC symbol, or told only by the contract's definition."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import ib_async
import pytest

from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contract_error
from greeks.providers.decoding import BadRow
from greeks.providers.upstox.held import chains_of
from portfolio.brokers.ibkr_portal.contracts import decode_contract, needs_definition
from portfolio.brokers.ibkr_socket.rows import contract_of_row, row_of_contract
from tests.identity_cases import identity_cases

EXPIRY = date(2026, 12, 31)


def row(ticker: str, strike: str) -> dict[str, Any]:
    return {
        "conid": 77, "contractDesc": ticker, "ticker": ticker, "assetClass": "OPT",
        "currency": "INR", "expiry": "20261231", "putOrCall": "P", "strike": strike,
        "multiplier": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ticker", "strike", "symbol", "chain"),
    [
        ("BANKNIFTY", "54000", "BANKNIFTY 20261231 P 54000", "NSE_INDEX|Nifty Bank"),
        ("FINNIFTY", "26050", "FINNIFTY 20261231 P 26050", "NSE_INDEX|Nifty Fin Service"),
        ("NIFTY50", "26000", "NIFTY50 20261231 P 26000", "NSE_INDEX|Nifty 50"),
        ("SENSEX", "100000", "SENSEX 20261231 P 100000", "BSE_INDEX|SENSEX"),
        ("HDFCBANK", "1002.5", "HDFCBANK 20261231 P 1002.5", None),
        ("BAJAJ-AUTO", "9000", "BAJAJ-AUTO 20261231 P 9000", None),
        ("M&M", "3000", "M&M 20261231 P 3000", None),
        ("SAP", "123.4567", "SAP 20261231 P 123.4567", None),
    ],
)
def test_root_or_strike_that_no_occ_symbol_holds_and_the_option_is_held(
    ticker: str, strike: str, symbol: str, chain: str | None
) -> None:
    contract = decode_contract(row(ticker, strike))
    assert contract_error(contract) is None
    assert contract.symbol == symbol
    assert (contract.root, contract.strike) == (ticker, Decimal(strike))
    name = re.sub(r"\W", "", ticker)
    assert instrument_key(contract) == f"option:{name}:20261231:{strike}:P:1:INR"
    assert list(chains_of([contract])) == ([(chain, EXPIRY)] if chain else [])


@pytest.mark.parametrize("index", [0, 1])
def test_recorded_indian_option_and_it_is_held(index: int) -> None:
    case = identity_cases("ibkr_portal_contracts")[index]
    contract = decode_contract(case["row"])
    assert contract_error(contract) is None
    chain = case["expect"].get("greeks_from_chain")
    assert [key for key, _ in chains_of([contract])] == ([chain] if chain else [])


@pytest.mark.parametrize("strike", ["-5", "0", "0.0"])
def test_option_on_a_future_with_a_strike_of_zero_or_below_is_held(strike: str) -> None:
    """Oil has had them, and options on calendar spreads have them always."""
    oil = row("CL", strike) | {
        "assetClass": "FOP", "currency": "USD", "tradingClass": "LO", "multiplier": 1000,
    }  # fmt: skip
    contract = decode_contract(oil)
    assert contract_error(contract) is None
    plain = f"{float(strike):g}"
    assert instrument_key(contract) == f"future_option:LO:20261231:{plain}:P:1000:USD"
    assert contract.symbol == f"LO 20261231 P {plain}"
    told = {name: value for name, value in oil.items() if name != "tradingClass"}
    local = {"contractDesc": f"CL DEC2026 {plain} P [LOF7 P{plain} 1000]"}
    assert instrument_key(decode_contract(told | local)) == instrument_key(contract)
    sent = ib_async.Contract(
        secType="FOP", conId=7, symbol="CL", lastTradeDateOrContractMonth="20261231",
        strike=float(strike), right="P", multiplier="1000", currency="USD", tradingClass="LO",
    )  # fmt: skip
    assert instrument_key(contract_of_row(row_of_contract(sent))) == instrument_key(contract)
    with pytest.raises(BadRow, match="strike"):
        decode_contract(row("RELIANCE", strike))


def test_option_on_a_future_without_trading_class_and_its_definition_is_asked_for() -> None:
    untold = {
        "conid": 1050, "assetClass": "FOP", "ticker": "ES", "expiry": "20261204", "strike": "5500",
        "putOrCall": "P", "multiplier": 50.0, "currency": "USD",
    }  # fmt: skip
    assert needs_definition(untold)
    assert not needs_definition({**untold, "tradingClass": "E1A"})
    assert not needs_definition({**untold, "contractDesc": "ES DEC2026 5500 P [E1AZ6 P5500 50]"})
