"""Activity Statements of several years: the columns of real ones, figures reckoned by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portfolio.models import Account
from tests.trades.files import account_at, held, net_by_contract, taken
from trades.models import TradeExecution

pytestmark = pytest.mark.django_db
HEAD = """Statement,Header,Field Name,Field Value
Statement,Data,Title,Activity Statement
Account Information,Header,Field Name,Field Value
Account Information,Data,Account,U1
"""
TRADES = (
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,"
    "C. Price,Proceeds,Comm/Fee,Basis,Realized P/L,MTM P/L,Code\n"
)
ACTIONS = (
    "Corporate Actions,Header,Asset Category,Currency,Report Date,Date/Time,Description,Quantity,"
    "Proceeds,Value,Realized P/L,Code\n"
)
INSTRUMENTS = (
    "Financial Instrument Information,Header,Asset Category,Symbol,Description,Conid,Security ID,"
    "Underlying,Listing Exch,Multiplier,Expiry,Delivery Month,Type,Strike,Code\n"
)


def order(
    symbol: str,
    day: str,
    quantity: str,
    price: str,
    *,
    fee: str = "0",
    code: str = "O",
    category: str = "Stocks",
    currency: str = "USD",
) -> str:
    at = day if "," in day else f"{day}, 09:35:00"
    return (
        f'Trades,Data,Order,{category},{currency},{symbol},"{at}","{quantity}",{price},0,0,{fee},'
        f"0,0,0,{code}\n"
    )


def option(symbol: str, day: str, quantity: str, price: str, **changes: str) -> str:
    changes = {"category": "Equity and Index Options"} | changes
    return order(symbol, day, quantity, price, **changes)


def action(words: str, quantity: str, proceeds: str = "0", category: str = "Stocks") -> str:
    return (
        f'Corporate Actions,Data,{category},USD,2026-03-02,"2026-02-27, 20:25:00","{words}",'
        f'"{quantity}","{proceeds}",0,0,\n'
    )


def statement(trades: str, actions: str = "", instruments: str = "") -> bytes:
    text = HEAD + TRADES + trades
    text += ACTIONS + actions if actions else ""
    return (text + (INSTRUMENTS + instruments if instruments else "")).encode()


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def test_splits_of_one_evening_and_a_fraction_in_cash(account: Account) -> None:
    words = "SPC(US1) Split 1 for 20 ({})"
    found = taken(
        statement(
            order("SPC", "2026-01-05", "110", "1", fee="-1")
            + order("BIG", "2026-01-05", "10", "100")
            + order("SPC", "2026-02-27, 20:25:00", "-0.5", "30", code="C")
            + order("SPC", "2026-03-10", "-5", "25", fee="-1", code="C")
            + order("BIG", "2026-03-10", "-200", "6", code="C"),
            action(words.format("SPC, VIRG, US2"), "5.5")
            + action(words.format("SPC.OLD, VIRG, US1"), "-110")
            + action("BIG(US3) Split 20 for 1 (BIG, BIG INC, US3)", "190"),
        )
    )
    assert found.quarantined == 0
    # 0.5 × (30 − 20) + 5 × (25 − 20) − 2; 200 × (6 − 5).
    assert net_by_contract(account) == {"SPC": Decimal("28.00"), "BIG": Decimal("200.00")}
    assert held(account) == {}


def test_mergers_renamings_and_losses(account: Account) -> None:
    both = "ERU(US1) Cash and Stock Merger (Acquisition) 464ESC011 1 for 1 and USD 0.5 ({})"
    change = "CCV(US5) CUSIP/ISIN Change to (US6) ({})"
    taken(
        statement(
            order("ERU", "2026-01-05", "100", "28")
            + order("NIL", "2026-01-05", "1,000", "20")
            + order("CCV", "2026-01-05", "-85", "25")
            + order("GON", "2026-01-05", "10", "7")
            + order("ERU.ESC", "2026-03-10", "-100", "30", code="C")
            + order("LCD", "2026-03-10", "85", "20", code="C"),
            action(both.format("ERU, ISH, US1"), "-100", "50")
            + action(both.format("ERU.ESC, ESC, US2"), "100")
            + action(
                "NIL(US3) Merged(Acquisition)  FOR USD 30.60 PER SHARE (NIL, N, US3)",
                "-1,000",
                "30,600",
            )
            + action(change.format("CCV, C, US5"), "85")
            + action(change.format("LCD, L, US6"), "-85")
            + action("(US7) Delisted (GON, GONE, US7)", "-10")
            + action("TEL(US8) Spinoff  241917 for 1000000 (WBD, W, US9)", "24.1917"),
        )
    )
    assert net_by_contract(account) == {
        "ERU.ESC": Decimal("250.00"),
        "NIL": Decimal("10600.00"),
        "LCD": Decimal("425.00"),
        "GON": Decimal("-70.00"),
    }
    assert held(account) == {"WBD": Decimal("24.1917")}


def test_option_adjusted_and_index_settled_in_cash(account: Account) -> None:
    words = "AAP 18SEP26 500.0 C(AAP   260918C00500000) Split 4 for 1 ({})"
    call = "SPX 20MAR26 5000 C"
    taken(
        statement(
            option("AAP 18SEP26 500 C", "2026-01-05", "-1", "12", fee="-1")
            + option("AAP 18SEP26 125 C", "2026-03-10", "4", "1.5", fee="-1", code="C")
            + option(call, "2026-01-05", "-2", "40", fee="-3")
            # The statement prices the settlement.
            + option(call, "2026-03-20, 16:20:00", "2", "45", code="A;C"),
            action(
                words.format("AAP 18SEP26 500.0 C, , "), "1", category="Equity and Index Options"
            )
            + action(
                words.format("AAP 18SEP26 125.0 C, , "), "-4", category="Equity and Index Options"
            ),
        )
    )
    assert net_by_contract(account) == {
        "AAP   260918C00125000": Decimal("598.00"),
        "SPX   260320C05000000": Decimal("-1003.00"),
    }


def test_weekly_of_an_index_is_of_its_own_class(account: Account) -> None:
    """Both have SPX for their underlying; IBKR's expiry of the monthly is its last trading day."""
    calls = ("SPXW 19MAR26 5000 C", "SPX 20MAR26 5000 C")
    told = "".join(
        f"Financial Instrument Information,Data,Equity and Index Options,{call},,{conid},,SPX,CBOE,"
        "100,2026-03-19,2026-03,C,5000,\n"
        for conid, call in enumerate(calls, start=7)
    )
    orders = "".join(option(call, "2026-01-05", "1", "40") for call in calls)
    taken(statement(orders, instruments=told))
    assert set(held(account)) == {"SPXW  260319C05000000", "SPX   260320C05000000"}


def test_currencies_futures_and_what_is_refused(account: Account) -> None:
    found = taken(
        statement(
            order("SAP", "2026-01-05", "10", "100", fee="-2", currency="EUR")
            + order("SAP", "2026-01-06", "-10", "110", fee="-2", currency="EUR", code="C")
            + order("ESH6", "2026-01-05", "1", "7000.25", fee="-2.1", category="Futures")
            + order("ESH6", "2026-01-06", "-1", "7010.75", fee="-2.1", code="C", category="Futures")
            + order("EUR.USD", "2026-01-05", "1,000", "1.1", category="Forex")
            + order("T 1 3/4", "2026-01-05", "1,000", "99", category="Bonds")
            + order(
                "XYZ",
                "2026-01-05",
                "1",
                "5",
                category="Stocks - Held with Interactive Brokers (U.K.) Limited",
            ),
            instruments="Financial Instrument Information,Data,Futures,ESH6,ES 20MAR26,31,,ES,CME,"
            "50,2026-03-20,2026-03,,,\n",
        )
    )
    assert found.by_kind == {"trade": 5, "fx": 1}
    assert found.reasons == {"assetClass: 'Bonds' is not supported": 1}
    assert net_by_contract(account) == {
        "SAP": Decimal("96.00"),
        "ES 20260320": Decimal("520.80"),
    }
    assert TradeExecution.objects.filter(symbol="XYZ").exists()
