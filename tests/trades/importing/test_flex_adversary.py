"""Flex statements of several years: what corporate actions, settlements and currencies realise.

Each expected figure is reckoned by hand beside its rows.
"""

from __future__ import annotations

import io
from decimal import Decimal

import pytest

from config.core.errors import InvalidInput
from portfolio.models import Account
from tests.trades.files import account_at, held, net_by_contract, open_lots, taken
from tests.trades.importing.flex_builder import action, booked, option, row, statement, trade
from trades.importing.flex_xml import read_flex
from trades.models import CashMovementRow, QuarantinedExecution, TradeExecution

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SPX_CALL = option("SPX   260320C05000000")


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def test_texts_that_rows_repeat_are_held_once(account: Account) -> None:
    content = statement(*(trade("20260105", "1", "2.5", symbol="REPEATED") for _ in range(2)))
    one, other = (row.raw or {} for row in read_flex(io.BytesIO(content)).executions)
    assert one["transactionID"] != other["transactionID"]
    assert all(one[name] is other[name] for name in one if one[name] == other[name])


@pytest.mark.parametrize(
    ("price", "strike", "proceeds"),
    [("12.5", "450", "-625"), ("0.125", "4.5", "-625"), ("0.125", "4.5", "")],
)
def test_fill_in_cents_is_held_in_the_currency_it_was_paid_in(
    account: Account, price: str, strike: str, proceeds: str
) -> None:
    corn = {
        "assetCategory": "FOP", "symbol": "OZCH7 C450", "underlyingSymbol": "ZCH7",
        "multiplier": "5000", "strike": strike, "putCall": "C", "expiry": "20270219",
    }  # fmt: skip
    content = statement(trade("20260105", "1", price, proceeds=proceeds, **corn))
    [fill] = read_flex(io.BytesIO(content)).executions
    assert (fill.price, fill.contract.strike) == (Decimal("0.125"), Decimal("4.5"))
    assert (fill.raw or {})["tradePrice"] == price


def test_reverse_split_and_fraction_in_cash(account: Account) -> None:
    old, new = {"symbol": "VSL", "conid": "501"}, {"symbol": "VSL", "conid": "502"}
    head = "VSL(US0000000001) SPLIT 1 FOR 6 (VSL"
    found = taken(
        statement(
            trade("20260105", "100", "1.20", ibCommission="-1", **old),
            action("RS", "-100", f"{head}.OLD, VSL INC, US0000000001)",
                   **(old | {"symbol": "VSL.OLD"}), actionID="71"),
            action("RS", "16.6667", f"{head}, VSL INC, US0000000002)", **new, actionID="71"),
            # 0.6667 shares for cash: basis 0.6667 × 7.2 = 4.80, costs 0.6667 / 16.6667 = 0.04.
            trade("20260227;202500", "-0.6667", "6", transactionType="FracShare", ibExecID="",
                  openCloseIndicator="C", **new),
            trade("20260310", "-16", "8", ibCommission="-0.5", **new),
        )
    )  # fmt: skip
    assert (found.inserted, found.quarantined) == (5, 0)
    # 16 × (8 − 7.2) − 0.96 − 0.50 = 11.34; 0.6667 × (6 − 7.2) − 0.04 = −0.84.
    assert net_by_contract(account) == {"VSL": Decimal("10.50")}
    assert held(account) == {}


def test_two_splits_of_one_evening_keep_to_themselves(account: Account) -> None:
    """All corporate actions of a day have one time."""
    taken(
        statement(
            trade("20260105", "10", "100", symbol="BIG", conid="601"),
            trade("20260105", "100", "2", symbol="TINY", conid="602"),
            action("FS", "190", "BIG(US1) SPLIT 20 FOR 1 (BIG, BIG INC, US1)",
                   symbol="BIG", conid="601", actionID="81"),
            action("RS", "-100", "TINY(US2) SPLIT 1 FOR 20 (TINY.OLD, TINY, US2)",
                   symbol="TINY.OLD", conid="602", actionID="82"),
            action("RS", "5", "TINY(US2) SPLIT 1 FOR 20 (TINYD, TINY, US3)",
                   symbol="TINYD", conid="603", actionID="82"),
            trade("20260310", "-200", "6", symbol="BIG", conid="601"),
            trade("20260310", "-5", "50", symbol="TINYD", conid="603"),
        )
    )  # fmt: skip
    # 200 × (6 − 5); 5 × (50 − 40).
    assert net_by_contract(account) == {"BIG": Decimal("200.00"), "TINYD": Decimal("50.00")}


def test_split_of_shares_that_are_known_in_part(account: Account) -> None:
    taken(
        statement(
            trade("20260105", "50", "10"),
            # The broker held 100: half of them were bought before the statement begins.
            action("FS", "100", "XYZ(US1) SPLIT 2 FOR 1 (XYZ, XYZ INC, US1)"),
            trade("20260310", "-100", "6"),
        )
    )
    # The known 100 cost 5 each; the basis of the others is unknown.
    assert net_by_contract(account) == {"XYZ": Decimal("100.00")}
    assert [(lot.quantity, lot.open_price) for lot in open_lots(account)] == [(50, None)]


def test_reverse_split_of_unknown_shares_leaves_no_short(account: Account) -> None:
    taken(
        statement(
            action("RS", "-100", "OLD(US1) SPLIT 1 FOR 4 (OLD.OLD, OLD, US1)", symbol="OLD.OLD"),
            action("RS", "25", "OLD(US1) SPLIT 1 FOR 4 (OLDD, OLD, US2)", symbol="OLDD"),
        )
    )
    assert held(account) == {"OLDD": Decimal(25)}


@pytest.mark.parametrize("sign", ["", "-"])
def test_merger_for_cash_sells_the_shares(account: Account, sign: str) -> None:
    """A short position buys them; rows of two lots are one action."""
    other = "" if sign else "-"
    words = "NIL(US9) MERGED(Acquisition) FOR USD 30.60000000 PER SHARE (NIL, NIL, US9)"
    found = taken(
        statement(
            trade("20260105", f"{sign}100", "20.25", symbol="NIL"),
            action("TC", f"{other}60", words, symbol="NIL", proceeds=f"{sign}1836"),
            action("TC", f"{other}40", words, symbol="NIL", proceeds=f"{sign}1224"),
        )
    )
    assert found.by_kind == {"trade": 1, "cash_settlement": 2}
    assert net_by_contract(account) == {"NIL": Decimal(f"{sign}1035.00")}


def test_merger_for_shares_and_cash_lessens_the_basis(account: Account) -> None:
    words = "LVG(US5) CASH and STOCK MERGER (Acquisition) US8 592 FOR 1000 AND USD 4.24"
    taken(
        statement(
            trade("20260105", "100", "120", symbol="LVG", conid="1"),
            action("TC", "-100", f"{words} (LVG, LIVON, US5)", symbol="LVG", conid="1",
                   proceeds="424", actionID="5"),
            action("TC", "59.2", f"{words} (TDC, TELAD, US8)", symbol="TDC", conid="2",
                   actionID="5"),
            trade("20260310", "-59.2", "200", symbol="TDC", conid="2"),
        )
    )  # fmt: skip
    # 59.2 × 200 − (12,000 − 424).
    assert net_by_contract(account) == {"TDC": Decimal("264.00")}


def test_merger_of_two_lots_into_one_row(account: Account) -> None:
    words = "AAA(US1) MERGED(Acquisition) WITH US2 1 FOR 2 ({}, X, US2)"
    taken(
        statement(
            trade("20260105", "60", "10", symbol="AAA"),
            trade("20260106", "40", "20", symbol="AAA"),
            action("TC", "-60", words.format("AAA"), symbol="AAA"),
            action("TC", "-40", words.format("AAA"), symbol="AAA"),
            action("TC", "50", words.format("BBB"), symbol="BBB"),
            trade("20260310", "-50", "30", symbol="BBB"),
        )
    )
    assert net_by_contract(account) == {"BBB": Decimal("100.00")}


def test_renamed_share_keeps_lots_and_spun_off_ones_have_no_basis(account: Account) -> None:
    change = "CCV(US1) CUSIP/ISIN CHANGE TO (US2)"
    taken(
        statement(
            trade("20260105", "-85", "25", symbol="CCV", conid="11"),
            action("IC", "85", f"{change} (CCV, C, US1)", symbol="CCV", conid="11"),
            action("IC", "-85", f"{change} (LCD, L, US2)", symbol="LCD", conid="12"),
            trade("20260105", "100", "30", symbol="TEL", conid="13"),
            action("SO", "24.1917", "TEL(US3) SPINOFF  241917 FOR 1000000 (WBD, W, US4)",
                   symbol="WBD", conid="14"),
            trade("20260310", "85", "20", symbol="LCD", conid="12"),
            trade("20260310", "-24.1917", "20", symbol="WBD", conid="14"),
        )
    )  # fmt: skip
    assert net_by_contract(account) == {"LCD": Decimal("425.00"), "WBD": None}
    assert held(account) == {"TEL": Decimal(100)}


def test_delisted_share_is_a_loss_and_rights_expire(account: Account) -> None:
    found = taken(
        statement(
            trade("20260105", "100", "3", symbol="NAB"),
            action("DW", "-100", "(US6) DELISTED (NAB, NABIS, US6)", symbol="NAB"),
            action("RI", "100", "XYZ(US1) SUBSCRIBABLE RIGHTS ISSUE 1 FOR 1 (XYZ.RTS, R, US7)",
                   symbol="XYZ.RTS"),
            action("PV", "0", "XYZ(US1) PROXY VOTE (XYZ, X, US1)", proceeds="2.50"),
            action("PV", "0", "XYZ(US1) PROXY VOTE (XYZ, X, US1)"),
        )
    )  # fmt: skip
    assert net_by_contract(account) == {"NAB": Decimal("-300.00")}
    assert held(account) == {"XYZ.RTS": Decimal(100)}
    assert CashMovementRow.objects.get().amount == Decimal("2.50")
    assert found.reasons == {"quantity: nothing moves": 1}


def test_option_adjusted_by_a_split_keeps_its_premium(account: Account) -> None:
    old = option("AAP   260918C00500000", conid="21")
    new = option("AAP   260918C00125000", conid="22")
    words = "AAP 18SEP26 500.0 C(AAP   260918C00500000) SPLIT 4 FOR 1"
    taken(
        statement(
            trade("20260105", "-1", "12", ibCommission="-1", **old),
            action("FS", "1", f"{words} (AAP 18SEP26 500.0 C, )", actionID="9", **old),
            action("FS", "-4", f"{words} (AAP 18SEP26 125.0 C, )", actionID="9", **new),
            trade("20260310", "4", "1.5", ibCommission="-1", **new),
        )
    )
    assert net_by_contract(account) == {"AAP   260918C00125000": Decimal("598.00")}


def test_cash_settled_index_takes_its_cash_from_the_ledger(account: Account) -> None:
    """IBKR books the option at zero; the ledger is told in two currencies."""
    line = {
        "assetCategory": "OPT", "symbol": SPX_CALL["symbol"], "currency": "USD",
        "activityCode": "ADJ", "date": "20260320", "reportDate": "20260320",
        "activityDescription": "Option Cash Settlement for: Assignment",
    }  # fmt: skip
    found = taken(
        statement(
            trade("20260105", "-2", "40", ibCommission="-3", **SPX_CALL),
            booked("20260320", "2", "0", notes="A", **SPX_CALL),
            row("StatementOfFundsLine", amount="-9000", levelOfDetail="Currency", **line),
            row("StatementOfFundsLine", amount="-8000", levelOfDetail="BaseCurrency", **line),
            row("StatementOfFundsLine", amount="5", activityDescription="Credit Interest"),
        )
    )
    assert found.by_kind == {"trade": 1, "cash_settlement": 1}
    # 8,000 − 9,000 − 3.
    assert net_by_contract(account) == {SPX_CALL["symbol"]: Decimal("-1003.00")}
    assert sum(found.ignored.values()) == 2
    # The ledger's line alone is not lost.
    alone = taken(statement(row("StatementOfFundsLine", amount="-9000", **line)))
    assert alone.quarantined == 1


def test_assignment_and_exercise_move_shares(account: Account) -> None:
    put, call = option("XYZ   260320P00050000"), option("XYZ   260320C00040000")
    found = taken(
        statement(
            trade("20260105", "-1", "2", ibCommission="-1", **put),
            trade("20260105", "1", "5", ibCommission="-1", **call),
            booked("20260320", "1", "0", notes="A", **put),
            booked("20260320", "100", "50", notes="A", openCloseIndicator="O"),
            booked("20260320", "-1", "0", notes="Ex", **call),
            booked("20260320", "100", "40", notes="Ex", openCloseIndicator="O"),
            booked("20260320", "1", "0", notes="Ep", **option("XYZ   260320P00010000")),
        )
    )
    assert found.by_kind == {
        "trade": 2, "assignment": 1, "exercise": 1, "expiration": 1, "delivery": 2,
    }  # fmt: skip
    assert net_by_contract(account) == {
        put["symbol"]: Decimal("199.00"),
        call["symbol"]: Decimal("-501.00"),
        # Expired without a known opening.
        "XYZ   260320P00010000": None,
    }
    assert held(account) == {"XYZ": Decimal(200)}


def test_currencies_stay_apart_and_foreign_commissions_are_converted(account: Account) -> None:
    sap = {"symbol": "SAP", "currency": "EUR", "fxRateToBase": "1"}
    fx = {"assetCategory": "CASH", "symbol": "EUR.USD", "conid": "12087792"}
    us = {"ibCommissionCurrency": "EUR", "fxRateToBase": "0.8"}
    found = taken(
        statement(
            trade("20260105", "10", "100", ibCommission="-2", ibCommissionCurrency="EUR", **sap),
            trade("20260106", "-10", "110", ibCommission="-2", ibCommissionCurrency="EUR", **sap),
            trade("20260105", "1000", "1.1", **fx),
            trade("20260105", "10", "10", ibCommission="-0.8", **us),
            # 0.4 EUR are 0.50 USD.
            trade("20260106", "-10", "12", ibCommission="-0.4", **us),
            # Nothing tells what a franc is worth: the commission is unknown, the fill is not.
            trade("20260107", "1", "10", symbol="Z", ibCommission="-1", ibCommissionCurrency="CHF"),
        )
    )
    assert found.by_kind == {"trade": 5, "fx": 1}
    assert net_by_contract(account) == {"SAP": Decimal("96.00"), "XYZ": Decimal("18.50")}
    assert TradeExecution.objects.get(symbol="Z").commission is None
    assert TradeExecution.objects.get(symbol="Z").raw_payload["ibCommission"] == "-1"


def test_futures_and_their_options(account: Account) -> None:
    es = {"assetCategory": "FUT", "symbol": "ESH6", "conid": "31", "multiplier": "50",
          "expiry": "20260320", "underlyingSymbol": "ES"}  # fmt: skip
    put = {"assetCategory": "FOP", "symbol": "EW2G6 P6900", "conid": "32", "multiplier": "50",
           "expiry": "20260213", "strike": "6900", "putCall": "P",
           "underlyingSymbol": "ES"}  # fmt: skip
    bare = es | {"underlyingSymbol": ""}
    taken(
        statement(
            trade("20260105", "1", "7000.25", ibCommission="-2.1", **es),
            booked("20260320", "-1", "7010.75", notes="Ep", **bare),
            trade("20260105", "-1", "20", ibCommission="-1", **put),
            booked("20260213", "1", "0", notes="A", **put),
            booked("20260213", "1", "6900", notes="A", openCloseIndicator="O", **es),
        )
    )
    # The future that the put delivers at 6900 is the last bought: 10.5 × 50 − 2.10.
    assert net_by_contract(account) == {
        "ES 20260320": Decimal("522.90"),
        "EW2 20260213 P 6900": Decimal("999.00"),
    }
    assert held(account) == {"ES 20260320": Decimal(1)}


@pytest.mark.parametrize("category", ["BOND", "WAR", "CFD", "BILL", "FUND", "IOPT", "FSFOP"])
def test_what_the_desk_cannot_value_is_refused_by_name(account: Account, category: str) -> None:
    found = taken(
        statement(
            trade("20260105", "10", "5", assetCategory=category, symbol="THING"),
            action("BM", "-10", "(DE1) BOND MATURITY FOR EUR 1.00 PER BOND (T, T, DE1)",
                   assetCategory=category, symbol="THING", proceeds="10"),
            trade("20260105", "10", "5"),
        )
    )  # fmt: skip
    assert found.reasons == {f"assetClass: '{category}' is not supported": 2}
    assert (found.inserted, QuarantinedExecution.objects.count()) == (1, 2)


def test_transfers_of_positions_and_cash(account: Account) -> None:
    moved = {"type": "ACATS", "company": "--", "account": "5550001", "cashTransfer": "0"}
    moved |= {"date": "20260102", "assetCategory": "STK", "symbol": "XYZ", "currency": "USD"}
    taken(
        statement(
            row("Transfer", **(moved | {"direction": "IN", "quantity": "100"})),
            trade("20260105", "50", "10"),
            row("Transfer", **(moved | {"direction": "OUT", "quantity": "100",
                                        "date": "20260301"})),
            row("Transfer", type="INTERNAL", date="20260302", direction="OUT", currency="USD",
                assetCategory="CASH", symbol="--", quantity="0", cashTransfer="-100"),
        )
    )  # fmt: skip
    assert held(account) == {"XYZ": Decimal(50)}
    assert net_by_contract(account) == {}
    assert CashMovementRow.objects.get().amount == -100


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "AAP 20JUN26 200 C"},
        {"symbol": "", "description": "AAP 20JUN26 200 C"},
        {"symbol": "AAP", "expiry": "20260620", "strike": "200", "putCall": "C"},
        {"symbol": "AAP   260620C00200000"},
    ],
)
def test_option_is_named_by_whatever_tells_it(account: Account, changes: dict[str, str]) -> None:
    terms = {"assetCategory": "OPT", "multiplier": "100"} | changes
    taken(statement(trade("20260105", "1", "2", **terms)))
    assert TradeExecution.objects.get().symbol == "AAP   260620C00200000"


def test_option_that_nothing_names_says_what_to_add(account: Account) -> None:
    terms = {"expiry": "20260620", "strike": "200", "putCall": "C", "multiplier": "100"}
    bare = trade("20260105", "1", "2", assetCategory="OPT", symbol="", **terms)
    found = taken(statement(bare))
    assert "add the fields Symbol and Underlying Symbol" in next(iter(found.reasons))


def test_days_with_the_day_first_are_read_or_refused(account: Account) -> None:
    fill = trade("20260105", "1", "2").replace("20260105;", "03/02/2026;")
    other = trade("20260105", "1", "2").replace("20260105;", "25/02/2026;")
    with pytest.raises(InvalidInput, match="choose yyyyMMdd"):
        taken(statement(fill))
    taken(statement(fill, other))
    days = TradeExecution.objects.order_by("execution_time").values_list("execution_time__month")
    assert [month for (month,) in days] == [2, 2]


def test_statement_with_orders_for_one_of_its_accounts_is_refused(account: Account) -> None:
    account_at("IBKR", "U2")
    whole = statement(trade("20260105", "1", "2"))
    order = trade("20260105", "1", "2", accountId="U2", levelOfDetail="ORDER")
    second = statement(order.replace("<Trade ", "<Order "), account="U2")
    inner = second.split(b'count="1">')[1].split(b"</FlexStatements>")[0]
    with pytest.raises(InvalidInput, match="instead of “Order”"):
        taken(whole.replace(b"</FlexStatements>", inner + b"</FlexStatements>"))
    assert TradeExecution.objects.count() == 0
