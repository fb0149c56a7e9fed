"""A share and a future of one name in one book: each option has its own underlying's price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from auth_tokens.models import User
from greeks.domain import Contract, Snapshot
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.models import Account, Position, SyncRun
from portfolio.risk.book import read_risk_book
from portfolio.risk.report import ready_book, risk_report
from tests.factories import AccountFactory
from tests.identity_cases import identity_cases
from tests.portfolio.books import FakeBroker, greeks, position, quote

pytestmark = pytest.mark.django_db
EXPIRY = f"{date.today() + timedelta(days=28):%Y%m%d}"  # noqa: DTZ011
PRICES = {"STK": 65, "FUT": 7000, "FOP": 120}


def contract(kind: str, **changes: Any) -> Contract:
    row: dict[str, Any] = {
        "conid": len(kind) + sum(map(ord, kind)), "ticker": "ES", "assetClass": kind,
        "currency": "USD",
    }  # fmt: skip
    if kind != "STK":
        row |= {"expiry": EXPIRY, "multiplier": 50}
    if kind == "FOP":
        row |= {"putOrCall": "P", "strike": "7000"}
    return decode_contract(row | changes)


SHARE, FUTURE, PUT = (contract(kind) for kind in ("STK", "FUT", "FOP"))


@pytest.fixture
def account(trader: User, broker: FakeBroker) -> Account:
    broker.positions = [position(SHARE, 100), position(FUTURE, 1), position(PUT, -1)]
    account: Account = AccountFactory.create(owner=trader)
    return account


def snapshots(vendor_price: float | None) -> Callable[[Contract], Snapshot]:
    def answer(asked: Contract) -> Snapshot:
        kind = {"stock": "STK", "future": "FUT"}.get(asked.kind.value, "FOP")
        found = quote(asked, mark=Decimal(PRICES[kind]))
        computed = None
        if asked.is_option:
            computed = greeks(asked, delta=-0.45, underlying_price=vendor_price)
        return Snapshot(contract=asked, quote=found, greeks=computed)

    return answer


@pytest.mark.parametrize("vendor_price", [7000.0, None])
def test_option_on_the_future_has_the_futures_price(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    vendor_price: float | None,
) -> None:
    broker.snapshot = snapshots(vendor_price)
    run_sync(account.pk)
    put = Position.objects.get(instrument_type="future_option")
    assert put.underlying_price == 7000
    book = ready_book(read_risk_book([account]))
    loss = dict(
        zip([leg.id for leg in book.legs], book.pnl([0.8], [0.0], [0])[0, 0, 0], strict=True)
    )
    assert loss[str(put.pk)] == pytest.approx(-64_000, rel=0.03)


def test_recorded_book_of_one_name_and_the_put_has_the_futures_price(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun]
) -> None:
    case = identity_cases("one_name_two_things")
    terms = ("ticker", "multiplier", "putOrCall", "strike")
    broker.positions = [
        position(
            contract(row["assetClass"], **{name: row[name] for name in terms if name in row}),
            row["quantity"],
        )
        for row in case["book"]
    ]
    broker.snapshot = snapshots(case["book"][2]["vendor_underlying_price"])
    run_sync(account.pk)
    put = Position.objects.get(instrument_type="future_option")
    assert put.underlying_price == case["expect"]["option_underlying_price"]
    book = ready_book(read_risk_book([account]))
    losses = book.pnl([0.8], [0.0], [0])[0, 0, 0]
    loss = -losses[[leg.id for leg in book.legs].index(str(put.pk))]
    expected = case["expect"]["spot_minus_20_percent_loss_of_the_short_put_about"]
    assert loss == pytest.approx(expected, rel=0.03)


def test_report_has_both_underlyings_with_their_own_price_and_delta(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun], trader: User
) -> None:
    broker.snapshot = snapshots(7000.0)
    run_sync(account.pk)
    rows = {row["underlying"]: row for row in risk_report(user=trader)["underlyings"]}
    assert {name: row["spot"] for name, row in rows.items()} == {"ES": 65.0, "/ES": 7000.0}
    assert rows["ES"]["dollar_delta"] == pytest.approx(6_500)
    assert rows["/ES"]["dollar_delta"] == pytest.approx(350_000 + 0.45 * 350_000)


def test_option_on_another_month_keeps_its_vendors_price(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun]
) -> None:
    later = replace(PUT, underlying_key="future:ES:20270319:50:USD")
    broker.positions = [position(FUTURE, 1), position(later, -1)]
    broker.snapshot = snapshots(7070.0)
    run_sync(account.pk)
    assert Position.objects.get(instrument_type="future_option").underlying_price == 7070
