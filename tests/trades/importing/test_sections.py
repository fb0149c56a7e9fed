"""What else real statements hold: every row is taken, or ignored with a reason; none is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from config.core.errors import InvalidInput
from portfolio.models import Account
from tests.trades.files import account_at, held, net_by_contract, taken
from tests.trades.importing import test_activity_adversary as activity
from tests.trades.importing.flex_builder import booked, option, row, statement, trade
from trades.models import CashMovementRow, TradeExecution

pytestmark = pytest.mark.django_db
SPX = option("SPX   260320C05000000")


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def test_rows_of_other_sections_are_ignored_by_name(account: Account) -> None:
    sections = b'<OpenPositions><OpenPosition symbol="XYZ" position="1"/></OpenPositions>'
    sections += b'<GrantActivities><GrantActivity symbol="IBKR" quantity="3"/></GrantActivities>'
    content = statement(trade("20260105", "1", "2"))
    found = taken(content.replace(b"</FlexStatement>", sections + b"</FlexStatement>"))
    words = "tells of no fill, corporate action or cash"
    assert found.ignored == {f"OpenPosition: {words}": 1, f"GrantActivity: {words}": 1}


def test_rule_1_booking_has_no_order_and_rule_11_its_confirmation_adds_nothing(
    account: Account,
) -> None:
    sold = trade("20260105", "-1", "2", **SPX)
    confirm = row("OptionEAE", transactionType="Expiration", quantity="1", tradeID="", **SPX)
    content = statement(sold, booked("20260320", "1", "0", notes="Ep", **SPX))
    section = f"<OptionEAE>{confirm}</OptionEAE></FlexStatement>".encode()
    found = taken(content.replace(b"</FlexStatement>", section))
    assert (found.inserted, sum(found.ignored.values())) == (2, 1)
    assert held(account) == {}
    orders = dict(TradeExecution.objects.values_list("kind", "order_id"))
    assert orders["trade"].startswith("7")
    assert orders["expiration"] == ""


def test_statement_of_trade_confirmations_says_what_to_make_instead(account: Account) -> None:
    confirm = row("OptionEAE", quantity="1").replace("<OptionEAE", "<TradeConfirm")
    content = statement(trade("20260105", "1", "2"))
    content = content.replace(b"</FlexStatement>", confirm.encode() + b"</FlexStatement>")
    with pytest.raises(InvalidInput, match="query of the kind “Activity”"):
        taken(content)
    assert not TradeExecution.objects.exists()


@pytest.mark.parametrize("settled_first", [False, True])
def test_cash_of_a_settlement_completes_an_option_booked_at_zero(
    account: Account, settled_first: bool
) -> None:
    """The query may get the Statement of Funds later, and a portal's pull may lack it again."""
    bought = booked("20260320", "2", "0", notes="A", **SPX)
    line = row(
        "StatementOfFundsLine", symbol=SPX["symbol"], currency="USD", date="20260320",
        activityDescription="Option Cash Settlement for: Assignment", amount="-9000",
        levelOfDetail="Currency",
    )  # fmt: skip
    taken(statement(trade("20260105", "-2", "40", ibCommission="-3", **SPX)))
    plain, whole = statement(bought), statement(bought, line)
    for content in (whole, plain) if settled_first else (plain, whole, plain):
        assert taken(content).quarantined == 0
    # 8,000 − 9,000 − 3.
    assert net_by_contract(account) == {SPX["symbol"]: Decimal("-1003.00")}
    settled = TradeExecution.objects.get(kind="cash_settlement")
    assert (settled.price, settled.value) == (45, -9000)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-05;09:35:00 EST", "05 14:35"),
        ("20260105;093500 ET", "05 14:35"),
        ("20260306;093500", "06 14:35"),
        ("20260309;093500", "09 13:35"),
        ("20261030;093500", "30 13:35"),
        ("20261102;093500", "02 14:35"),
    ],
)
def test_rule_6_times_are_eastern_and_follow_daylight_saving(
    account: Account, text: str, at: str
) -> None:
    taken(statement(trade("20260105", "1", "2").replace("20260105;093500", text)))
    assert f"{TradeExecution.objects.get().execution_time:%d %H:%M}" == at


def test_contracts_abroad(account: Account) -> None:
    """Tickers with blanks, points and digits, and an option named as Eurex names it."""
    dax = {
        "assetCategory": "OPT", "symbol": "P DAX  20260320 18000 M", "underlyingSymbol": "DAX",
        "multiplier": "5", "expiry": "20260320", "putCall": "P", "strike": "18000",
    }  # fmt: skip
    rows = [dax | {"currency": "EUR"}]
    told = {"BRK B": "USD", "700": "HKD", "BP.": "GBP", "7203.T": "JPY", "VOWd": "EUR"}
    rows += [{"symbol": symbol, "currency": currency} for symbol, currency in told.items()]
    fills = []
    for conid, terms in enumerate(rows, start=200):
        named = terms | {"conid": str(conid), "ibCommissionCurrency": terms["currency"]}
        fills.append(trade("20260105", "10", "300", ibCommission="-1", **named))
        fills.append(trade("20260106", "-10", "310", ibCommission="-1", **named))
    assert taken(statement(*fills)).quarantined == 0
    nets = sorted(net for net in net_by_contract(account).values() if net is not None)
    # 10 × 10 − 2 of each share; the option's multiplier is 5.
    assert nets == [Decimal("98.00")] * 5 + [Decimal("498.00")]


def test_morning_and_evening_settlement_of_one_index_stay_apart(account: Account) -> None:
    morning = option("SPX   260320P05000000", conid="1")
    evening = option("SPXW  260320P05000000", conid="2", underlyingSymbol="SPX")
    told = {"currency": "USD", "activityDescription": "Option Cash Settlement for: Exercise"}
    taken(
        statement(
            trade("20260105", "-1", "40", **morning | {"expiry": "20260319"}),
            trade("20260105", "1", "41", **evening),
            booked("20260320;092500", "1", "0", notes="A", **morning),
            booked("20260320;162000", "-1", "0", notes="Ex", **evening),
            row("StatementOfFundsLine", amount="-1000", symbol=morning["symbol"], **told),
            row("StatementOfFundsLine", amount="1500", symbol=evening["symbol"], **told),
        )
    )
    assert net_by_contract(account) == {
        morning["symbol"]: Decimal("3000.00"), evening["symbol"]: Decimal("-2600.00"),
    }  # fmt: skip


def test_duties_of_an_activity_statement_are_costs_of_their_trade(account: Account) -> None:
    """Named by time, or as an order by its day and quantity; what is left is a fee."""
    text = activity.statement(
        activity.order("VOD", "2026-01-05", "100", "70", fee="-3", currency="GBP")
        + activity.order("VOD", "2026-01-06", "-100", "72", fee="-3", currency="GBP", code="C")
    ).decode()
    text += "Transaction Fees,Header,Asset Category,Currency,Date/Time,Symbol,Description,"
    text += "Quantity,Trade Price,Amount,Code\n"
    for at, symbol, amount in (
        ("2026-01-05, 09:35:00", "VOD", "-35"),
        ("2026-01-06, 09:40:00", "VOD", "-1.50"),
        ("2026-01-07, 09:35:00", "GONE", "-2"),
    ):
        text += f'Transaction Fees,Data,Stocks,GBP,"{at}",{symbol},Stamp,100,70,{amount},\n'
    text += "Transaction Fees,Data,Total,,,,,,,-38.5,\n"
    found = taken(text.encode())
    # 200 − 6 − 36.50.
    assert net_by_contract(account) == {"VOD": Decimal("157.50")}
    assert found.ignored == {"a duty: among the costs of its trade": 2}
    assert CashMovementRow.objects.get().amount == -2


def test_cash_of_every_section_of_an_activity_statement_is_kept(account: Account) -> None:
    text = activity.statement(activity.order("XYZ", "2026-01-05", "1", "2", fee="-1")).decode()
    text = text.replace("Comm/Fee", "Comm/Tax")
    kinds = {
        "Bond Interest Received": "interest", "Bond Interest Paid": "interest",
        "871(m) Withholding": "tax", "Advisor Fees": "fee", "Broker Fees": "fee",
        "Other Income": "adjustment", "Commission Adjustments": "adjustment",
        "Price Adjustments": "adjustment",
    }  # fmt: skip
    for section in kinds:
        text += f"{section},Header,Currency,Date,Description,Amount\n"
        text += f"{section},Data,USD,2026-01-09,What,17.5\n{section},Data,Total,,,17.5\n"
    text += "Trade Summary by Symbol,Header,Symbol\nTrade Summary by Symbol,Data,XYZ\n"
    found = taken(text.encode())
    stored = CashMovementRow.objects.order_by("id").values_list("kind", flat=True)
    assert sorted(stored) == sorted(kinds.values())
    words = "Trade Summary by Symbol: tells of no fill, corporate action or cash"
    assert found.ignored == {words: 1}
    assert TradeExecution.objects.get().commission == 1
    assert held(account) == {"XYZ": Decimal(1)}


def test_futures_of_an_activity_statement_are_delivered_by_their_options(account: Account) -> None:
    put, future = ("EW2G6 P6900", "Options On Futures"), ("ESH6", "Futures")
    at = "2026-02-13, 16:20:00"

    def order(of: tuple[str, str], day: str, quantity: str, price: str, code: str) -> str:
        return activity.order(of[0], day, quantity, price, fee="-1", code=code, category=of[1])

    info = "Financial Instrument Information,Data"
    taken(
        activity.statement(
            order(put, "2026-01-05", "-1", "20", "O")
            + order(put, at, "1", "0", "A;C")
            + order(future, at, "1", "6900", "A;O")
            + order(future, "2026-02-16", "-1", "6890", "C"),
            instruments=f"{info},Futures,ESH6,ES,31,,ES,CME,50,2026-03-20,2026-03,,,\n"
            f"{info},Options On Futures,EW2G6 P6900,ES,32,,ESH6,CME,50,2026-02-13,,P,6900,\n",
        )
    )
    # 20 × 50 − 2; −10 × 50 − 2.
    assert net_by_contract(account) == {
        "EW2 20260213 P 6900": Decimal("998.00"), "ES 20260320": Decimal("-502.00"),
    }  # fmt: skip
