"""A book is read again after each change, and only what changed is built anew."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model

from greeks.models import Instrument
from portfolio.book import rows
from portfolio.book.rows import BookRow, read_rows
from portfolio.models import Account, Position, Quote
from tests.factories import AccountFactory, OptionFactory, PositionFactory

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 2)


@pytest.fixture
def account() -> Account:
    account: Account = AccountFactory.create()
    for number in range(5):
        PositionFactory.create(
            account=account,
            instrument=OptionFactory.create(key=f"option:{number}"),
            sub_key=str(number),
            expiry=TODAY + timedelta(days=30),
        )
    return account


def read(account: Account, *, today: date = TODAY) -> dict[str, BookRow]:
    return {row.shown["id"]: row for row in read_rows({account.account_id: today})}


def newly_built(before: dict[str, BookRow], after: dict[str, BookRow]) -> set[str]:
    return {name for name, row in after.items() if before.get(name) is not row}


def test_row_that_did_not_change_is_the_same_one(account: Account) -> None:
    before = read(account)
    moved = str(Position.objects.order_by("pk")[2].pk)
    # As a shell does it, without the time of writing.
    Position.objects.filter(pk=moved).update(price=Decimal("7.25"))
    after = read(account)
    assert newly_built(before, after) == {moved}
    assert after[moved].shown["price"] == Decimal("7.25")
    assert after[moved].leg.price == 7.25
    assert newly_built(after, read(account)) == set()


@pytest.mark.parametrize(
    ("model", "values", "field", "shown"),
    [
        (Quote, {"open_interest": 77}, "open_interest", 77),
        (
            Instrument,
            {"is_adjusted": True, "deliverable_shares": Decimal(150)},
            "deliverable",
            Decimal(150),
        ),
    ],
)
def test_change_of_what_the_row_refers_to_is_shown(
    account: Account, model: type[Model], values: dict[str, Any], field: str, shown: Any
) -> None:
    first = Position.objects.order_by("pk")[0]
    if model is Quote:
        at = first.as_of
        Quote.objects.create(
            instrument=first.instrument, symbol=first.symbol, as_of=at, open_interest=5
        )
    before = read(account)
    changed = model._default_manager.filter(
        **{"instrument_id" if model is Quote else "pk": first.instrument_id}
    )
    changed.update(**values)
    after = read(account)
    assert newly_built(before, after) == {str(first.pk)}
    assert after[str(first.pk)].shown[field] == shown


def test_new_day_counts_the_days_to_expiry_again(account: Account) -> None:
    assert {row.shown["dte"] for row in read(account).values()} == {30}
    tomorrow = read(account, today=TODAY + timedelta(days=1))
    assert {row.shown["dte"] for row in tomorrow.values()} == {29}
    assert {row.leg.dte for row in tomorrow.values()} == {29}


def test_sold_position_is_gone_and_a_new_one_is_there(account: Account) -> None:
    before = read(account)
    sold = str(Position.objects.order_by("pk")[1].pk)
    Position.objects.filter(pk=sold).delete()
    bought = PositionFactory.create(
        account=account, instrument=OptionFactory.create(key="option:new"), sub_key="new"
    )
    after = read(account)
    assert set(after) == set(before) - {sold} | {str(bought.pk)}
    assert newly_built(before, after) == {str(bought.pk)}


def test_rows_read_with_and_without_a_memory_are_equal(account: Account) -> None:
    Position.objects.update(greeks_last_known=True, strike=Decimal("450.50"))
    kept = read(account)
    rows._kept.clear()
    fresh = read(account)
    assert newly_built(kept, fresh) == set(fresh)
    for name, row in fresh.items():
        assert row.shown == kept[name].shown
        assert row.leg == kept[name].leg
