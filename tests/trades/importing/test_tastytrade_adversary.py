"""Exports of Tastytrade of several years, in each layout; figures reckoned by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portfolio.models import Account
from tests.trades.files import account_at, held, net_by_contract, taken
from trades.models import CashMovementRow

pytestmark = pytest.mark.django_db
OLD = (
    "Date/Time,Transaction Code,Transaction Subcode,Symbol,Buy/Sell,Open/Close,Quantity,"
    "Expiration Date,Strike,Call/Put,Price,Fees,Amount,Description,Account Reference\n"
)
NEW = (
    "Date,Type,Sub Type,Action,Symbol,Instrument Type,Description,Value,Quantity,Average Price,"
    "Commissions,Fees,Multiplier,Root Symbol,Underlying Symbol,Expiration Date,Strike Price,"
    "Call or Put,Order #,Currency\n"
)
WITH_TOTAL = NEW.replace("Order #,", "Order #,Total,")


@pytest.fixture
def account() -> Account:
    return account_at("TASTY", "5WX00001")


def test_fifteen_columns(account: Account) -> None:
    """Costs without a sign, commission among the fees; options named by their terms."""
    rows = """\
05/30/2018 6:24 PM,Trade,Buy to Open,MU,Buy,Open,1,07/20/2018,70,C,2.4,1.14,-240,Bought 1 MU 07/20/18 Call 70.00 @ 2.40,Individual...39
07/20/2018 10:00 PM,Receive Deliver,Expiration,MU,,,1,07/20/2018,70,C,,0.00,0,Removal of 1 MU 07/20/18 Call 70.00 due to expiration.,Individual...39
01/04/2021 3:00 PM,Trade,Buy to Open,TQQQ,Buy,Open,54,,,,180.00,0.08,-9720,Bought 54 TQQQ @ 180.00,Individual...39
01/21/2021 12:39 PM,Receive Deliver,Forward Split,TQQQ,Buy,Open,108,,,,,0.00,-9940.86,Forward split: Open 108.0 TQQQ,Individual...39
01/21/2021 12:39 PM,Receive Deliver,Forward Split,TQQQ,Sell,Close,54,,,,,0.00,9940.86,Forward split: Close 54.0 TQQQ,Individual...39
02/01/2021 3:00 PM,Trade,Sell to Close,TQQQ,Sell,Close,108,,,,95.00,0.22,10260,Sold 108 TQQQ @ 95.00,Individual...39
03/18/2021 8:19 PM,Trade,Sell to Open,BFT,Sell,Open,1,04/16/2021,15,P,1.32,1.152,132,Sold 1 BFT 04/16/21 Put 15.00 @ 1.32,Individual...39
03/31/2021 12:46 PM,Receive Deliver,Symbol Change,BFT,Buy,Close,1,04/16/2021,15,P,,0.00,-132,Symbol change: Close 1.0 BFT 210416P00015000,Individual...39
03/31/2021 12:46 PM,Receive Deliver,Symbol Change,PSFE,Sell,Open,1,04/16/2021,15,P,,0.00,132,Symbol change: Open 1.0 PSFE 210416P00015000,Individual...39
04/05/2021 3:00 PM,Trade,Buy to Close,PSFE,Buy,Close,1,04/16/2021,15,P,2.00,0.152,-200,Bought 1 PSFE 04/16/21 Put 15.00 @ 2.00,Individual...39
04/06/2021 3:00 PM,Trade,Sell,/MESM1,Sell,,1,,,,4070.25,1.25,0,Sold 1 /MESM1 @ 4070.25,Individual...39
04/07/2021 3:00 PM,Trade,Buy,/MESM1,Buy,,1,,,,4060.25,1.25,50,Bought 1 /MESM1 @ 4060.25,Individual...39
04/15/2021 9:00 PM,Money Movement,Dividend,TQQQ,,,,,,,,0.00,1.5,PROSHARES TR,Individual...39
"""  # noqa: E501
    found = taken((OLD + rows).encode(), account)
    assert found.quarantined == 0, found.reasons
    assert net_by_contract(account) == {
        "MU    180720C00070000": Decimal("-241.14"),
        # 10,260 − 9,720 − 0.30.
        "TQQQ": Decimal("539.70"),
        # 132 − 200 − 1.304.
        "PSFE  210416P00015000": Decimal("-69.30"),
        # 10 points × 5 − 2.50.
        "/MESM1": Decimal("47.50"),
    }
    assert held(account) == {}


def test_twenty_columns(account: Account) -> None:
    """Two mergers of one second pair by what the broker says they are worth."""
    rows = """\
2021-09-01T14:00:00+0000,Trade,Sell to Open,SELL_TO_OPEN,SPRT  210917P00022000,Equity Option,Sold 6 SPRT 09/17/21 Put 22.00 @ 5.60,3360,6,560.0,-6.00,-0.90,100,SPRT,SPRT,9/17/21,22,PUT,1,USD
2021-09-01T14:00:00+0000,Trade,Buy to Open,BUY_TO_OPEN,SPRT  210917P00010000,Equity Option,Bought 6 SPRT 09/17/21 Put 10.00 @ 0.50,-300,6,-50.0,-6.00,-0.90,100,SPRT,SPRT,9/17/21,10,PUT,1,USD
2021-09-15T12:36:00+0000,Receive Deliver,Stock Merger,SELL_TO_OPEN,GREE  210917P00022000,Equity Option,Stock merger Open 6.0 GREE1 210917P00022000,3360,6,,0,0.00,100,GREE,GREE,9/17/21,22,PUT,,USD
2021-09-15T12:36:00+0000,Receive Deliver,Stock Merger,BUY_TO_OPEN,GREE  210917P00010000,Equity Option,Stock merger Open 6.0 GREE1 210917P00010000,-300,6,,0,0.00,100,GREE,GREE,9/17/21,10,PUT,,USD
2021-09-15T12:36:00+0000,Receive Deliver,Stock Merger,SELL_TO_CLOSE,SPRT  210917P00010000,Equity Option,Stock merger Close 6.0 SPRT 210917P00010000,300,6,,0,0.00,100,SPRT,SPRT,9/17/21,10,PUT,,USD
2021-09-15T12:36:00+0000,Receive Deliver,Stock Merger,BUY_TO_CLOSE,SPRT  210917P00022000,Equity Option,Stock merger Close 6.0 SPRT 210917P00022000,-3360,6,,0,0.00,100,SPRT,SPRT,9/17/21,22,PUT,,USD
2021-09-16T14:00:00+0000,Trade,Buy to Close,BUY_TO_CLOSE,GREE  210917P00022000,Equity Option,Bought 6 GREE 09/17/21 Put 22.00 @ 6.00,-3600,6,-600.0,0.00,-0.84,100,GREE,GREE,9/17/21,22,PUT,2,USD
2021-09-17T21:00:00+0000,Receive Deliver,Expiration,SELL_TO_CLOSE,GREE  210917P00010000,Equity Option,Removal of 6.0 GREE 09/17/21 Put 10.00 due to expiration.,0.00,6,,--,0.00,100,GREE,GREE,9/17/21,10,PUT,,USD
2021-10-01T14:00:00+0000,Trade,Buy to Open,BUY_TO_OPEN,NILS,Equity,Bought 100 NILS @ 20.25,"-2,025.00",100,-20.25,0.00,-0.08,,,,,,,3,USD
2021-11-01T12:00:00+0000,Receive Deliver,Cash Merger,SELL_TO_CLOSE,NILS,Equity,Cash merger: Close 100.0 NILS,"3,060.00",100,30.60,--,0.00,,,,,,,,USD
2021-12-01T14:00:00+0000,Trade,Buy to Open,BUY_TO_OPEN,TSLL,Equity,Bought 7 TSLL @ 10.33,-72.33,7,-10.33,0.00,-0.01,,,,,,,4,USD
2021-12-02T14:00:00+0000,Receive Deliver,ACAT,SELL_TO_CLOSE,TSLL,Equity,ACAT: Close 7.0 TSLL,72.33,7,,--,0.00,,,,,,,,USD
2021-12-03T14:00:00+0000,Receive Deliver,ACAT,BUY_TO_OPEN,AAP,Equity,ACAT: Open 10.0 AAP,0.00,10,,--,0.00,,,,,,,,USD
"""  # noqa: E501
    found = taken((NEW + rows).encode(), account)
    assert found.quarantined == 0, found.reasons
    assert net_by_contract(account) == {
        # 3,360 − 3,600 − 7.74.
        "GREE  210917P00022000": Decimal("-247.74"),
        "GREE  210917P00010000": Decimal("-306.90"),
        "NILS": Decimal("1034.92"),
    }
    assert held(account) == {"AAP": Decimal(10)}


def test_twenty_one_columns(account: Account) -> None:
    """An index settled in cash, futures settled daily, an option adjusted by a dividend, fees."""
    rows = """\
2026-01-05T14:35:00+0000,Trade,Sell to Open,SELL_TO_OPEN,SPX   260116C06000000,Equity Option,Sold 2 SPX 01/16/26 Call 6000.00 @ 40.00,"8,000.00",2,"4,000.00",-2.00,-1.00,100,SPX,SPX,1/16/26,6000,CALL,1,"7,997.00",USD
2026-01-17T02:00:00+0000,Receive Deliver,Cash Settled Assignment,,SPX   260116C06000000,Equity Option,Cash settled assignment,"-9,000.00",2,"-4,500.00",--,-5.00,100,SPX,SPX,1/16/26,6000,CALL,,"-9,005.00",USD
2026-01-17T02:00:00+0000,Receive Deliver,Assignment,,SPX   260116C06000000,Equity Option,Removal of option due to assignment,0.00,2,0.00,--,0.00,100,SPX,SPX,1/16/26,6000,CALL,,0.00,USD
2026-01-05T14:35:00+0000,Trade,Buy,BUY,/ESH6,Future,Bought 1 /ESH6 @ 6800.25,0.00,1,0.00,-1.25,-1.40,,,,,,,2,-2.65,USD
2026-01-05T22:00:00+0000,Money Movement,Mark to Market,,/ESH6,Future,/ESH6 mark to market at 6810.25,500.00,0,,--,0.00,,,,,,,,500.00,USD
2026-01-06T14:35:00+0000,Trade,Sell,SELL,/ESH6,Future,Sold 1 /ESH6 @ 6820.25,500.00,1,500.00,-1.25,-1.40,,,,,,,3,497.35,USD
2026-01-07T14:35:00+0000,Trade,Buy to Open,BUY_TO_OPEN,COST  260619C00900000,Equity Option,Bought 1 COST 06/19/26 Call 900.00 @ 50.00,"-5,000.00",1,"-5,000.00",-1.00,-0.12,100,COST,COST,6/19/26,900,CALL,4,"-5,001.12",USD
2026-01-20T13:00:00+0000,Receive Deliver,Special Dividend,SELL_TO_CLOSE,COST  260619C00900000,Equity Option,Special dividend: Close 1.0 COST 260619C00900000,"5,000.00",1,,--,0.00,100,COST,COST,6/19/26,900,CALL,,"5,000.00",USD
2026-01-20T13:00:00+0000,Receive Deliver,Special Dividend,BUY_TO_OPEN,COST  260619C00885000,Equity Option,Special dividend: Open 1.0 COST 260619C00885000,"-5,000.00",1,,--,0.00,100,COST,COST,6/19/26,885,CALL,,"-5,000.00",USD
2026-01-21T14:35:00+0000,Trade,Sell to Close,SELL_TO_CLOSE,COST  260619C00885000,Equity Option,Sold 1 COST 06/19/26 Call 885.00 @ 55.00,"5,500.00",1,"5,500.00",0.00,-0.15,100,COST,COST,6/19/26,885,CALL,5,"5,499.85",USD
2026-01-22T14:35:00+0000,Money Movement,Fee,,,,INTL WIRE FEE,-45.00,0,,--,0.00,,,,,,,,-45.00,USD
2026-01-23T14:35:00+0000,Money Movement,Balance Adjustment,,,,Regulatory fee adjustment,-0.01,0,,--,0.00,,,,,,,,-0.01,USD
2026-01-24T14:35:00+0000,Receive Deliver,Moon Landing,,AAP,Equity,What nobody knows,0.00,1,,--,0.00,,,,,,,,0.00,USD
"""  # noqa: E501
    found = taken((WITH_TOTAL + rows).encode(), account)
    assert found.reasons == {
        "sub-type: 'Moon Landing' of Receive Deliver is not one that is known": 1
    }
    assert net_by_contract(account) == {
        # 8,000 − 9,000 − 8.
        "SPX   260116C06000000": Decimal("-1008.00"),
        # 20 points × 50 − 5.30.
        "/ESH6": Decimal("994.70"),
        # 5,500 − 5,000 − 1.27.
        "COST  260619C00885000": Decimal("498.73"),
    }
    assert held(account) == {}
    assert CashMovementRow.objects.filter(kind="futures_settlement").count() == 1


def test_fill_of_a_treasury_in_32nds_is_in_dollars(account: Account) -> None:
    rows = """\
2026-01-05T14:35:00+0000,Trade,Buy,BUY,/ZNH6,Future,Bought 1 /ZNH6 @ 110'16,0.00,1,0.00,0.00,0.00,,,,,,,2,0.00,USD
2026-01-06T14:35:00+0000,Trade,Sell,SELL,/ZNH6,Future,Sold 1 /ZNH6 @ 110'175,46.88,1,46.88,0.00,0.00,,,,,,,3,46.88,USD
"""  # noqa: E501
    taken((WITH_TOTAL + rows).encode(), account)
    assert net_by_contract(account) == {"/ZNH6": Decimal("46.88")}


def test_removals_that_name_no_side(account: Account) -> None:
    """As the REST history writes them; the open lots tell the side."""
    rows = """\
2026-01-05T14:35:00+0000,Trade,Sell to Open,SELL_TO_OPEN,VSL,Equity,Sold 100 VSL @ 1.20,120.00,100,1.20,0.00,0.00,,,,,,,1,USD
2026-02-02T13:00:00+0000,Receive Deliver,Reverse Split Removal,,VSL,Equity,Removal due to reverse split,0.00,100,,--,0.00,,,,,,,,USD
2026-02-02T13:00:00+0000,Receive Deliver,Reverse Split,,VSLD,Equity,Reverse split: Open 10.0 VSLD,0.00,10,,--,0.00,,,,,,,,USD
2026-02-03T14:35:00+0000,Trade,Buy to Close,BUY_TO_CLOSE,VSLD,Equity,Bought 10 VSLD @ 8.00,-80.00,10,-8.00,0.00,0.00,,,,,,,2,USD
"""  # noqa: E501
    found = taken((NEW + rows).encode(), account)
    assert found.quarantined == 0, found.reasons
    assert net_by_contract(account) == {"VSLD": Decimal("40.00")}
    assert held(account) == {}


def test_option_on_a_future_is_assigned_and_futures_settle(account: Account) -> None:
    rows = """\
2026-01-05T14:35:00+0000,Trade,Sell to Open,SELL_TO_OPEN,./ESH6 E2AG6 260210P6900,Future Option,Sold 1 /ESH6 E2AG6 02/10/26 Put 6900.00 @ 20.0,"1,000.00",1,"1,000.00",-1.00,-1.42,1,./ESH6 E2AG6,/ESH6,2/10/26,6900,PUT,1,USD
2026-02-10T22:00:00+0000,Receive Deliver,Assignment,,./ESH6 E2AG6 260210P6900,Future Option,Removal of option due to assignment,0.00,1,,--,0.00,1,./ESH6 E2AG6,/ESH6,2/10/26,6900,PUT,,USD
2026-02-10T22:00:00+0000,Receive Deliver,Buy,BUY,/ESH6,Future,Buy 1 /ESH6 @ 6900.00,0.00,1,,--,-1.00,,,,,,,,USD
2026-03-20T14:35:00+0000,Receive Deliver,Futures Settlement,SELL,/ESH6,Future,/ESH6 final settlement at 6890.25,-487.50,1,,--,0.00,,,,,,,,USD
2026-01-05T14:35:00+0000,Trade,Sell,SELL,/CLG6,Future,Sold 2 /CLG6 @ 70.25,0.00,2,,-2.50,-3.20,,,,,,,2,USD
2026-01-05T22:00:00+0000,Money Movement,Futures Settlement,,/CLG6,Future,/CLG6 mark to market at 70.00,500.00,0,,--,0.00,,,,,,,,USD
2026-01-06T14:35:00+0000,Trade,Buy,BUY,/CLG6,Future,Bought 2 /CLG6 @ 69.50,"1,000.00",2,,-2.50,-3.20,,,,,,,2,USD
2026-01-05T14:35:00+0000,Trade,Buy to Open,BUY_TO_OPEN,BTC/USD,Cryptocurrency,Bought 0.0105 BTC/USD @ $95000.00,-997.50,0.0105,-95000,-9.98,0.00,,,BTC/USD,,,,1,USD
2026-01-06T14:35:00+0000,Trade,Sell to Close,SELL_TO_CLOSE,BTC/USD,Cryptocurrency,Sold 0.0105 BTC/USD @ $96000.00,"1,008.00",0.0105,96000,-10.08,0.00,,,BTC/USD,,,,1,USD
"""  # noqa: E501
    found = taken((NEW + rows).encode(), account)
    assert found.quarantined == 0, found.reasons
    assert net_by_contract(account) == {
        # 1,000 − 2.42.
        "./ESH6 E2AG6 260210P6900": Decimal("997.58"),
        # −9.75 × 50 − 1.
        "/ESH6": Decimal("-488.50"),
        # 2 × 0.75 × 1,000 − 11.40.
        "/CLG6": Decimal("1488.60"),
        "BTC/USD": Decimal("-9.56"),
    }


@pytest.mark.parametrize(
    ("sub_type", "description", "kind"),
    [
        ("Dividend", "AAP ADR FEE", "fee"),
        ("Dividend", "ROYAL BANK NON-RESIDENT TAX WITHHELD", "tax"),
        ("Dividend", "ADVANCE AUTO PARTS", "dividend"),
        ("Withdrawal", "CASH IN LIEU OF FRACTIONAL SHARES", "adjustment"),
        ("Withdrawal", "PAYMENT IN LIEU OF DIVIDEND ON SHORT", "dividend"),
        ("Withdrawal", "FROM 12/16 THRU 01/15 @10 1/2%", "interest"),
        ("Withdrawal", "Wire Funds Out", "external_flow"),
        ("Fee", "HARD TO BORROW FEE GME", "fee"),
        ("Cash Merger", "What remains", "adjustment"),
        ("Maturity", "US T BILL", "adjustment"),
    ],
)
def test_rule_13_cash_is_told_by_its_words(
    account: Account, sub_type: str, description: str, kind: str
) -> None:
    row = f"2026-01-05T14:35:00+0000,Money Movement,{sub_type},,,,{description},-2.50,0,"
    taken((NEW + row + ",--,0.00,,,,,,,,USD\n").encode(), account)
    assert CashMovementRow.objects.get().kind == kind
