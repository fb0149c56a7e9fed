"""Contracts quoted in hundredths, and one name for two things, over the Client Portal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from config.core.errors import RetryableError
from greeks.domain import Contract, Greeks, Quote, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.underlyings import underlying_key
from portfolio.brokers.ibkr_portal.account import decode_position
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.brokers.ibkr_portal.directory import ContractDirectory, ContractMemory
from portfolio.brokers.ibkr_portal.orders import decode_execution, decode_order
from portfolio.brokers.ibkr_portal.units import magnifier_of
from portfolio.brokers.units import snapshot_in_currency
from tests.identity_cases import identity_cases

AT = datetime(2026, 11, 20, 16, tzinfo=UTC)
FUTURE = {
    "conid": 7, "ticker": "CT", "assetClass": "FUT", "expiry": "20261208", "multiplier": 50000,
    "currency": "USD", "priceMagnifier": 100,
}  # fmt: skip
OPTION = FUTURE | {
    "conid": 8, "assetClass": "FOP", "expiry": "20261113", "putOrCall": "P", "strike": "72",
    "undConid": 7,
}  # fmt: skip


def directory(*rows: dict[str, Any]) -> ContractDirectory:
    """A directory of a gateway that defines these contracts."""

    def ask(path: str, params: Any) -> Any:
        if path.endswith("search"):
            return [row | {"symbol": row["ticker"]} for row in rows]
        wanted = params.get("conids", "").split(",")
        return {"secdef": [row for row in rows if str(row["conid"]) in wanted]}

    return ContractDirectory(ask, ContractMemory())


@pytest.mark.parametrize(
    ("price", "average"), [("0.72", "0.7"), ("72.0", "70"), ("72", None), (0.72, 0.7)]
)
def test_position_quoted_in_cents_is_held_in_dollars(price: Any, average: Any) -> None:
    row = FUTURE | {
        "position": 1, "mktPrice": price, "mktValue": "36000", "avgCost": "35000",
        "avgPrice": average, "unrealizedPnl": "1000",
    }  # fmt: skip
    held = decode_position(row, {}, received_at=AT)
    assert (held.price, held.average_price) == (Decimal("0.72"), Decimal("0.7"))
    assert (held.market_value, held.unrealized_pnl) == (Decimal(36000), Decimal(1000))
    assert held.raw is not None
    assert held.raw["mktPrice"] == price


def test_recorded_position_quoted_in_cents_is_held_in_dollars() -> None:
    case = identity_cases("price_magnifier")
    sent, expected = case["position"], case["expect"]
    row = FUTURE | case["contract"] | {
        "position": sent["quantity"], "mktPrice": sent["quote_in_cents"],
        "mktValue": sent["market_value"], "avgPrice": sent["average_price_in_currency"],
        "unrealizedPnl": expected["unrealized_pnl"],
    }  # fmt: skip
    held = decode_position(row, {}, received_at=AT)
    assert held.price == Decimal(expected["price_in_currency"])
    assert held.average_price is not None
    size = held.quantity * held.contract.multiplier
    assert held.price * size == Decimal(expected["market_value"]) == expected["dollar_delta"]
    assert (held.price - held.average_price) * size == Decimal(expected["unrealized_pnl"])


def test_price_without_a_magnifier_stays() -> None:
    row = FUTURE | {"priceMagnifier": None, "position": 1, "mktPrice": 72, "mktValue": 36000}
    assert decode_position(row, {}, received_at=AT).price == 72


def test_strike_of_an_option_on_such_a_future_is_in_dollars() -> None:
    contract = decode_contract(OPTION)
    assert (contract.strike, contract.symbol) == (Decimal("0.72"), "CT 20261113 P 0.72")


def test_definition_completes_a_row_with_unit_and_future() -> None:
    found = directory(FUTURE, OPTION)
    contract = found.definitions(["8"])["8"]
    assert contract.underlying_key == "future:CT:20261208:50000:USD"
    assert underlying_key(decode_contract(FUTURE)) == contract.underlying_key
    row = {name: OPTION[name] for name in OPTION if name != "priceMagnifier"}
    assert decode_contract(found.completed(row)) == contract


def test_limit_of_an_order_is_in_dollars() -> None:
    row = FUTURE | {
        "orderId": 1, "side": "BUY", "status": "Submitted", "orderType": "LIMIT", "price": "71.5",
        "totalSize": 1, "timeInForce": "DAY",
    }  # fmt: skip
    order = decode_order(row, {"7": decode_contract(FUTURE)}, received_at=AT)
    assert order.limit_price == Decimal("0.715")
    assert order.raw is not None
    assert order.raw["price"] == "71.5"


@pytest.mark.parametrize(("price", "amount"), [("0.72", 36000), ("72", -36000), ("72", None)])
def test_price_of_a_fill_agrees_with_its_amount_else_it_is_in_the_quotes_unit(
    price: str, amount: int | None
) -> None:
    row = FUTURE | {
        "execution_id": "x", "side": "B", "size": 1, "price": price, "net_amount": amount,
        "trade_time_r": 1_795_190_400_000,
    }  # fmt: skip
    fill = decode_execution(row, {"7": decode_contract(FUTURE)}, account_number="DU1")
    assert fill.price == Decimal("0.72")


def test_quote_and_greeks_in_cents_become_dollars() -> None:
    contract = decode_contract(OPTION)
    quote = Quote(contract=contract, source="ibkr", as_of=AT, bid=Decimal("2.4"), ask=Decimal(3))
    greeks = Greeks(
        source="ibkr", as_of=AT, delta=-0.4, gamma=0.05, theta=-0.02, vega=0.1,
        underlying_price=72.0,
    )  # fmt: skip
    found = directory(FUTURE, OPTION)
    found.definitions(["8"])
    scaled = found.in_currency(Snapshot(contract=contract, quote=quote, greeks=greeks))
    assert scaled.quote is not None
    assert (scaled.quote.bid, scaled.quote.ask) == (Decimal("0.024"), Decimal("0.03"))
    assert scaled.greeks is not None
    assert scaled.greeks.delta == -0.4
    assert scaled.greeks.gamma == pytest.approx(5.0)
    assert scaled.greeks.theta == pytest.approx(-2e-4)
    assert scaled.greeks.vega == pytest.approx(1e-3)
    assert scaled.greeks.underlying_price == pytest.approx(0.72)


def test_snapshot_in_currency_already_is_the_same() -> None:
    snapshot = Snapshot(contract=decode_contract(FUTURE), quote=None, greeks=None)
    assert snapshot_in_currency(snapshot, Decimal(1)) is snapshot


@pytest.mark.parametrize(
    ("row", "cents"),
    [
        (FUTURE, 100),
        (FUTURE | {"assetClass": "STK", "ticker": "VOD", "currency": "GBP"}, 100),
        (OPTION | {"assetClass": "OPT", "ticker": "VOD", "currency": "GBP", "undConid": 0}, 100),
        (FUTURE | {"assetClass": "STK", "ticker": "SPY"}, 1),
    ],
)
def test_unit_is_that_of_the_rules_where_the_definition_is_silent(
    row: dict[str, Any], cents: int
) -> None:
    silent = {name: row[name] for name in row if name != "priceMagnifier"}
    asked = []

    def ask(path: str, params: Any) -> Any:
        asked.append(path)
        if path == "/trsrv/secdef":
            return {"secdef": [silent]}
        return {"rules": {"priceMagnifier": 100}}

    found = ContractDirectory(ask, ContractMemory())
    conid = str(row["conid"])
    assert found.definitions([conid]) == found.definitions([conid])
    assert magnifier_of(found.completed(silent)) == cents
    rules = f"/iserver/contract/{conid}/info-and-rules"
    assert asked == ["/trsrv/secdef", rules][: 2 if cents == 100 else 1]


def test_gateway_that_cannot_tell_the_unit_for_now_is_asked_again() -> None:
    silent = {name: FUTURE[name] for name in FUTURE if name != "priceMagnifier"}
    answers = iter([RetryableError("down"), {"rules": {"priceMagnifier": 100}}])

    def ask(path: str, params: Any) -> Any:
        if path == "/trsrv/secdef":
            return {"secdef": [silent]}
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    found = ContractDirectory(ask, ContractMemory())
    with pytest.raises(RetryableError):
        found.definitions(["7"])
    found.definitions(["7"])
    assert magnifier_of(found.completed(silent)) == 100


@pytest.mark.parametrize(
    ("exchange", "currency", "key"),
    [
        ("LSEETF", "USD", "stock:SMHLSEETF:USD"),
        ("EBS", "USD", "stock:SMHEBS:USD"),
        ("NASDAQ", "USD", "stock:SMH:USD"),
        ("", "USD", "stock:SMH:USD"),
        ("LSEETF", "GBP", "stock:SMH:GBP"),
    ],
)
def test_share_in_dollars_abroad_is_not_the_share_of_its_name_in_new_york(
    exchange: str, currency: str, key: str
) -> None:
    row = {
        "conid": 9, "ticker": "SMH", "assetClass": "STK", "currency": currency,
        "listingExchange": exchange,
    }  # fmt: skip
    contract = decode_contract(row)
    assert instrument_key(contract) == underlying_key(contract) == key


def test_symbol_of_two_listings_is_found_by_currency_and_kind() -> None:
    rows = (
        {"conid": 1, "ticker": "Z", "assetClass": "IND", "currency": "GBP"},
        {"conid": 2, "ticker": "Z", "assetClass": "STK", "currency": "GBP"},
        {"conid": 3, "ticker": "Z", "assetClass": "STK", "currency": "USD"},
    )
    found = directory(*rows)
    for row in rows[1:]:
        contract = decode_contract(row)
        asked = Contract(
            kind=contract.kind, symbol="Z", underlying="Z", multiplier=Decimal(1),
            currency=contract.currency,
        )  # fmt: skip
        assert list(found.conids([asked])) == [str(row["conid"])]


@pytest.mark.parametrize(
    ("terms", "price", "value", "unit"),
    [
        ({}, "72.0", "36000", 100),
        ({}, "72.3", "36100", 100),
        # Rupees: 10,000 of them.
        ({"ticker": "SIR", "multiplier": 5_000_000}, "111.5", "55750", 10_000),
        ({"assetClass": "STK", "ticker": "VOD", "currency": "GBP", "multiplier": 0}, 72, 0.72, 100),
        ({}, "0.72", "36000", None),
        ({}, "72.0", "-36000", None),
        ({}, "72.0", "30000", None),
        ({}, "0", "0", None),
        ({"assetClass": "STK", "ticker": "SPY", "multiplier": 0}, 72, 0.72, None),
        # Its strike would stay in cents: the cross-check marks it.
        ({"assetClass": "FOP", "putOrCall": "P", "strike": "72"}, "72.0", "36000", None),
    ],
)
def test_unit_nobody_tells_is_that_by_which_price_exceeds_value(
    terms: dict[str, Any], price: Any, value: Any, unit: int | None
) -> None:
    # Of a product that no table knows.
    silent = {name: FUTURE[name] for name in FUTURE if name != "priceMagnifier"}
    silent |= {"ticker": "QX"} | terms

    def ask(path: str, params: Any) -> Any:
        return {"secdef": [silent]} if path == "/trsrv/secdef" else {"rules": {}}

    found = ContractDirectory(ask, ContractMemory())
    definition = found.definitions(["7"])["7"]
    row = silent | {"position": 1, "mktPrice": price, "mktValue": value}
    held = decode_position(found.completed_position(row), {"7": definition}, received_at=AT)
    paid = Decimal(str(price))
    assert held.price == (paid / unit if unit else paid)
    # The contract's quotes are in the same unit from then on.
    quote = Quote(contract=definition, source="ibkr", as_of=AT, bid=Decimal(71), ask=Decimal(73))
    scaled = found.in_currency(Snapshot(contract=definition, quote=quote, greeks=None))
    assert scaled.quote is not None
    assert scaled.quote.bid == Decimal(71) / (unit or 1)


@pytest.mark.parametrize(
    ("terms", "key", "unit"),
    [
        ({"ticker": "ZC", "multiplier": 5000, "strike": "450", "putOrCall": "C",
          "assetClass": "FOP", "tradingClass": "OZC"},
         "future_option:OZC:20261208:4.5:C:5000:USD", 100),
        ({"ticker": "KC", "multiplier": 37500, "strike": "320.5", "putOrCall": "P",
          "assetClass": "FOP", "tradingClass": "OKC"},
         "future_option:OKC:20261208:3.205:P:37500:USD", 100),
        ({"ticker": "CC", "multiplier": 10, "strike": "6000", "putOrCall": "P",
          "assetClass": "FOP", "tradingClass": "OCC"},
         "future_option:OCC:20261208:6000:P:10:USD", 1),
        ({"ticker": "LE", "multiplier": 40000}, "future:LE:20261208:40000:USD", 100),
        ({"ticker": "CB", "multiplier": 20000}, "future:CB:20261208:20000:USD", 100),
        # Rice is in dollars.
        ({"ticker": "ZR", "multiplier": 2000}, "future:ZR:20261208:2000:USD", 1),
        ({"ticker": "SOFR3", "multiplier": 2500}, "future:SR3:20261208:2500:USD", 1),
        # A point of the FTSE 100 is 10 pounds: IBKR counts 1,000 for 100 of them.
        ({"ticker": "Z", "multiplier": 1000, "strike": "7500", "putOrCall": "P", "currency": "GBP",
          "assetClass": "OPT"}, "option:Z:20261208:75:P:1000:GBP", 100),
        ({"ticker": "Z", "currency": "GBP", "assetClass": "IND"}, "index:Z:GBP", 100),
        ({"ticker": "Z", "multiplier": 10, "strike": "7500", "putOrCall": "P", "currency": "GBP",
          "assetClass": "OPT"}, "option:Z:20261208:7500:P:10:GBP", 1),
    ],
)  # fmt: skip
def test_unit_nobody_tells_is_that_of_a_known_product(
    terms: dict[str, Any], key: str, unit: int
) -> None:
    silent = {name: FUTURE[name] for name in FUTURE if name != "priceMagnifier"} | terms

    def ask(path: str, params: Any) -> Any:
        return {"secdef": [silent]} if path == "/trsrv/secdef" else {"rules": {}}

    found = ContractDirectory(ask, ContractMemory())
    definition = found.definitions(["7"])["7"]
    assert instrument_key(definition) == key
    assert instrument_key(decode_contract(found.completed(silent))) == key
    quote = Quote(contract=definition, source="ibkr", as_of=AT, bid=Decimal(71), ask=Decimal(73))
    scaled = found.in_currency(Snapshot(contract=definition, quote=quote, greeks=None))
    assert scaled.quote is not None
    assert scaled.quote.mid == Decimal(72) / unit
