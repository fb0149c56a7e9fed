"""The last trading day is not the expiry: AM-settled options over IBKR."""

from __future__ import annotations

from datetime import UTC, date, datetime

import ib_async
import pytest

from greeks.instruments.expiry import expiry_instant
from greeks.instruments.identity import instrument_key
from portfolio.brokers.ibkr_portal.contracts import decode_contract as decode_portal
from portfolio.brokers.ibkr_socket.directory import _facts, _needs_facts
from portfolio.brokers.ibkr_socket.rows import contract_of_row
from portfolio.brokers.tastytrade.contracts import decode_contract as decode_tastytrade
from tests.identity_cases import identity_cases


def socket_row(**terms: str) -> dict[str, str]:
    return {
        "conid": "8", "symbol": "RUT", "secType": "OPT", "expiry": "20270318", "strike": "2100",
        "right": "C", "multiplier": "100", "exchange": "", "currency": "USD",
        "localSymbol": "RUT   270319C02100000", "tradingClass": "RUT", **terms,
    }  # fmt: skip


def test_am_settled_option_expires_on_the_day_of_its_occ_symbol() -> None:
    row = socket_row()
    portal = {
        "conid": 8, "assetClass": "OPT", "ticker": "RUT", "expiry": "20270318", "strike": "2100",
        "putOrCall": "C", "multiplier": 100, "currency": "USD",
        "contractDesc": "RUT MAR2027 2100 C [RUT   270319C02100000 100]",
    }  # fmt: skip
    tastytrade = {"instrument-type": "Equity Option", "symbol": "RUT   270319C02100000"}
    contracts = [contract_of_row(row), decode_portal(portal), decode_tastytrade(tastytrade)]
    assert {contract.expiry for contract in contracts} == {date(2027, 3, 19)}
    assert len({instrument_key(contract) for contract in contracts}) == 1
    assert expiry_instant(contracts[0]) == datetime(2027, 3, 19, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("local", ["", "RUT 19MAR27 2100 C"])
@pytest.mark.parametrize(
    ("trading_class", "real", "key"),
    [
        ("RUT", "", "option:RUT:20270319:2100:C:100:USD"),
        ("RUTW", "", "option:RUTW:20270318:2100:C:100:USD"),
        # Nothing tells which of the two classes it is.
        ("", "", "option:RUT:20270318:2100:C:100:USD"),
        ("", "20270319", "option:RUT:20270319:2100:C:100:USD"),
        ("RUT", "20270318", "option:RUT:20270318:2100:C:100:USD"),
    ],
)
def test_option_without_an_occ_symbol_and_class_or_definition_tells_its_expiry(
    local: str, trading_class: str, real: str, key: str
) -> None:
    row = socket_row(localSymbol=local, tradingClass=trading_class, realExpirationDate=real)
    assert instrument_key(contract_of_row(row)) == key


def test_definition_is_read_where_no_occ_symbol_tells_the_expiry() -> None:
    contract = ib_async.Contract(conId=8, secType="OPT")
    details = ib_async.ContractDetails(contract=contract, realExpirationDate="20270319")
    assert _facts(details) == {"realExpirationDate": "20270319"}
    assert _needs_facts(socket_row(localSymbol="RUT 19MAR27 2100 C"))
    assert not _needs_facts(socket_row())


@pytest.mark.parametrize("index", [0, 1])
def test_recorded_contract_and_its_expiry(index: int) -> None:
    case = identity_cases("ibkr_socket_contracts")[index]
    sent, expected = case["contract"], case["expect"]
    row = socket_row(
        symbol=sent["symbol"],
        expiry=sent["lastTradeDateOrContractMonth"],
        strike=str(sent["strike"]),
        right=sent["right"],
        localSymbol=sent["localSymbol"],
        tradingClass=sent["tradingClass"],
    )
    contract = contract_of_row(row)
    assert contract.expiry == date.fromisoformat(expected["expiry"])
    instant = expiry_instant(contract)
    assert instant is not None
    # 09:30 or 16:00 New York, in winter and in summer.
    assert instant.hour in ((13, 14) if expected["settlement"] == "AM" else (20, 21))
    same = expected.get("same_instrument_as_tastytrade_symbol")
    if same:
        theirs = decode_tastytrade({"instrument-type": "Equity Option", "symbol": same})
        assert instrument_key(theirs) == instrument_key(contract)


@pytest.mark.parametrize(
    ("kind", "currency", "told", "unit"),
    [("IND", "GBP", 1, "100"), ("IND", "GBP", 100, "100"), ("IND", "USD", 1, None)],
)
def test_index_is_in_the_unit_of_its_options(
    kind: str, currency: str, told: int, unit: str | None
) -> None:
    index = ib_async.Contract(secType=kind, symbol="Z", currency=currency, conId=9)
    details = ib_async.ContractDetails(contract=index, priceMagnifier=told)
    assert _facts(details).get("priceMagnifier") == unit
