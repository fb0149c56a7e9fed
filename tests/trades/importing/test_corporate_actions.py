"""Corporate actions of several contracts at once; figures are reckoned beside their rows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portfolio.models import Account
from tests.trades.files import account_at, held, net_by_contract, open_lots, taken
from tests.trades.importing.flex_builder import action, option, statement, trade

pytestmark = pytest.mark.django_db
NAMES = "Date,Type,Sub Type,Action,Symbol,Instrument Type,Description,Value,Quantity,Average Price,"
NAMES += "Commissions,Fees,Multiplier,Root Symbol,Underlying Symbol,Expiration Date,Strike Price,"
NAMES += "Call or Put,Order #,Currency\n"


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


@pytest.mark.parametrize("new_first", ["120 125 130", "130 125 120", "125 130 120"])
def test_split_pairs_each_strike_with_its_own(account: Account, new_first: str) -> None:
    """Calls of 480, 500 and 520 become those of 120, 125 and 130, in whatever order they stand."""
    old = {strike: option(f"AAPL  200918C{strike:05d}000") for strike in (480, 500, 520)}
    new = {strike: option(f"AAPL  200918C{strike:05d}000") for strike in (120, 125, 130)}
    words = "AAPL(US1) SPLIT 4 FOR 1 (X, Y, Z)"
    told = {"dateTime": "20200828;202500", "actionID": "7"}
    taken(
        statement(
            *(trade("20200805", "-1", str(30 - n * 10), **old[k]) for n, k in enumerate(old)),
            *(action("FS", "1", words, **told, **terms) for terms in old.values()),
            *(action("FS", "-4", words, **told, **new[int(k)]) for k in new_first.split()),
            *(trade("20200910", "4", "1", **terms) for terms in new.values()),
        )
    )
    # 3,000 − 400, 2,000 − 400, 1,000 − 400.
    assert net_by_contract(account) == {
        "AAPL  200918C00120000": Decimal("2600.00"),
        "AAPL  200918C00125000": Decimal("1600.00"),
        "AAPL  200918C00130000": Decimal("600.00"),
    }


@pytest.mark.parametrize("puts_first", [False, True])
def test_renamed_options_stay_calls_and_puts_of_their_expiry(puts_first: bool) -> None:
    account = account_at("TASTY", "5WX00001")
    terms = [("220617C", 10), ("220617P", 8), ("220715C", 6), ("220715P", 4)]

    def line(day: str, root: str, name: str, words: tuple[str, str, str], value: int) -> str:
        symbol = f"{root:<6}{name}00200000"
        return (
            f"2022-06-{day}:00+0000,{words[0]},{words[1]},{words[2]},{symbol},Equity Option,What,"
            f"{value}.00,1,,0.00,0.00,100,{root},{root},,200,,,USD\n"
        )

    sold, bought = ("Trade", "Sell to Open", "SELL_TO_OPEN"), ("Trade", "x", "BUY_TO_CLOSE")
    close = ("Receive Deliver", "Symbol Change", "BUY_TO_CLOSE")
    opened = ("Receive Deliver", "Symbol Change", "SELL_TO_OPEN")
    rows = [line("01T14:00", "FB", name, sold, price * 100) for name, price in terms]
    rows += [line("09T11:00", "FB", name, close, 0) for name, _ in terms]
    names = [name for name, _ in terms]
    for name in sorted(names, key=lambda each: each[-1], reverse=puts_first):
        rows.append(line("09T11:00", "META", name, opened, 0))
    rows += [line("10T14:00", "META", name, bought, -400) for name in names]
    taken((NAMES + "".join(rows)).encode(), account)
    assert net_by_contract(account) == {
        f"META  {name}00200000": Decimal(price * 100 - 400) for name, price in terms
    }


def test_shares_renamed_under_one_contract_id_stay_one_contract(account: Account) -> None:
    old, new = {"symbol": "FB", "conid": "107"}, {"symbol": "META", "conid": "107"}
    words = "FB(US1) CUSIP/ISIN CHANGE TO (US2)"
    told = {"actionID": "1", "dateTime": "20220608;202500"}
    taken(
        statement(
            trade("20220105", "100", "300", **old),
            action("IC", "-100", f"{words} (FB, F, US1)", **told, **old),
            action("IC", "100", f"{words} (META, M, US2)", **told, **new),
            trade("20220705", "-100", "200", **new),
        )
    )
    assert list(net_by_contract(account).values()) == [Decimal("-10000.00")]


@pytest.mark.parametrize(
    ("worths", "nets"),
    [
        # 3,000 are split as 3,000 to 1,000: 3,500 − 2,250 and 1,200 − 750.
        (("3000", "1000"), ("1250.00", "450.00")),
        # A right to later payments is worth nothing yet: the shares keep the basis.
        (("3000", "0"), ("500.00", None)),
        # Nothing tells how to split it.
        (("", ""), (None, None)),
    ],
)
def test_merger_into_two_shares_splits_the_basis_as_they_are_worth(
    account: Account, worths: tuple[str, str], nets: tuple[str | None, str | None]
) -> None:
    words, told = "GE(US1) MERGED(Split-off)", {"actionID": "1"}
    one, other = {"symbol": "GEV", "conid": "2"}, {"symbol": "GEH", "conid": "3"}
    taken(
        statement(
            trade("20260105", "100", "30", symbol="GE", conid="1"),
            action("TC", "-100", f"{words} (GE, G, US1)", symbol="GE", conid="1", **told),
            action("TC", "50", f"{words} (GEV, G, US2)", value=worths[0], **told, **one),
            action("TC", "20", f"{words} (GEH, G, US3)", value=worths[1], **told, **other),
            trade("20260405", "-50", "70", **one),
            trade("20260405", "-20", "60", **other),
        )
    )
    expected = [None if net is None else Decimal(net) for net in nets]
    assert net_by_contract(account) == dict(zip(("GEV", "GEH"), expected, strict=True))
    assert not held(account)


def test_stock_dividend_and_tender_that_is_taken_in_part(account: Account) -> None:
    tendered = "TND(US2) TENDERED TO US3 1 FOR 1"
    paid = "TND.TEN(US3) MERGED(Voluntary Offer Allocation) FOR USD 25.00 PER SHARE"
    back = "TND.TEN(US3) MERGED(Voluntary Offer Allocation) WITH US2 1 FOR 1"
    share, contra = {"symbol": "TND", "conid": "1"}, {"symbol": "TND.TEN", "conid": "2"}
    later = {"dateTime": "20260327;202500"}
    taken(
        statement(
            trade("20260105", "100", "10", symbol="SDV"),
            action("SD", "5", "SDV(US1) STOCK DIVIDEND US1 5 FOR 100 (SDV, S, US1)", symbol="SDV"),
            trade("20260310", "-105", "10", symbol="SDV"),
            trade("20260105", "100", "20", **share),
            action("TO", "-100", f"{tendered} (TND, T, US2)", actionID="7", **share),
            action("TO", "100", f"{tendered} (TND.TEN, T, US3)", actionID="7", **contra),
            action("TC", "-60", f"{paid} (T)", actionID="8", proceeds="1500", **later, **contra),
            action("TC", "-40", f"{back} (TND.TEN, T, US3)", actionID="9", **later, **contra),
            action("TC", "40", f"{back} (TND, T, US2)", actionID="9", **later, **share),
            trade("20260410", "-40", "22", **share),
        )
    )
    assert net_by_contract(account) == {
        "SDV": Decimal("50.00"), "TND.TEN": Decimal("300.00"), "TND": Decimal("80.00"),
    }  # fmt: skip
    assert open_lots(account) == []
