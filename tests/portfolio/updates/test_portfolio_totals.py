"""A portfolio's figures: the same sums as the book's, with a percentage that is always defined."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from auth_tokens.models import User
from portfolio.book.reading import read_book
from portfolio.models import Account, AccountAccess, FxRate, Portfolio, Position
from portfolio.updates.calculation import (
    PortfolioTotals,
    Sums,
    portfolio_totals,
    portfolios_behind,
    recalculate,
)
from tests.factories import AccountFactory, OptionFactory, PositionFactory, UserFactory


def of(*rows: tuple[str, int | None, int | None], **rates: float) -> PortfolioTotals:
    return portfolio_totals(
        [leg(currency, value, change) for currency, value, change in rows],
        currency="USD",
        rates=rates,
    )


def leg(currency: str, value: int | None, change: int | None) -> Sums:
    opening = None if value is None or change is None else Decimal(abs(value - change))
    return Sums(
        account_id="DU1",
        currency=currency,
        value=None if value is None else Decimal(value),
        change=None if change is None else Decimal(change),
        opening=opening,
        legs=1,
        legs_without_change=int(change is None),
    )


@pytest.mark.parametrize(
    ("rows", "percent"),
    [
        pytest.param([("USD", 11_000, 1_000)], 10, id="long"),
        pytest.param([("USD", -11_000, -1_000)], -10, id="short that rose"),
        pytest.param([("USD", 11_000, 1_000), ("USD", -9_000, 1_000)], 10, id="long and short"),
        pytest.param([("USD", 1_000, 0), ("USD", -1_000, 0)], 0, id="hedged and still"),
        pytest.param([("USD", 500, 500)], None, id="opened at nothing"),
        pytest.param([("USD", 500, None)], None, id="no opening price"),
        pytest.param([], None, id="empty"),
    ],
)
def test_percent_is_of_the_gross_opening_value(rows: list[Any], percent: int | None) -> None:
    assert of(*rows).daily_change_percent == percent


def test_legs_without_a_number_are_counted_and_left_out() -> None:
    found = of(("USD", 1_100, 100), ("USD", None, None), ("USD", 400, None))
    assert (found.value, found.daily_change) == (Decimal(1_500), Decimal(100))
    assert (found.legs, found.legs_without_change) == (3, 2)


def test_currencies_are_converted_or_kept_apart() -> None:
    found = of(("USD", 100, 1), ("EUR", 200, 2), ("INR", 9_000, 90), EUR=1.1)
    assert (found.value, found.daily_change) == (Decimal("320"), Decimal("3.2"))
    assert found.unconverted == ["INR"]
    assert found.by_currency[1] == {"currency": "INR", "value": 9_000.0, "daily_change": 90.0}


def test_nothing_known_is_missing_and_not_zero() -> None:
    found = of(("USD", None, None))
    assert (found.value, found.daily_change, found.daily_change_percent) == (None, None, None)


@pytest.fixture
def trader() -> User:
    found: User = UserFactory.create()
    return found


@pytest.fixture
def account(trader: User) -> Account:
    found: Account = AccountFactory.create(account_id="DU1", owner=trader, book_version=3)
    for number, (value, change) in enumerate(((1_100, 100), (-450, 50))):
        PositionFactory.create(
            account=found,
            instrument=OptionFactory.create(key=f"option:{number}"),
            market_value=value,
            daily_change=change,
        )
    return found


@pytest.mark.django_db
def test_owner_has_a_portfolio_of_all_accounts(account: Account, trader: User) -> None:
    portfolio = Portfolio.objects.get(owner=trader)
    recalculate([portfolio.pk])
    portfolio.refresh_from_db()
    assert (portfolio.name, portfolio.holds_all) == ("All accounts", True)
    assert portfolio.counted == ["DU1"]
    assert (portfolio.value, portfolio.daily_change) == (650, 150)
    assert portfolio.book_version == 3
    assert portfolio.last_updated is not None


@pytest.mark.django_db
def test_figures_are_those_of_the_risk_monitor(account: Account, trader: User) -> None:
    other = AccountFactory.create(account_id="DU2", owner=trader, base_currency="USD")
    PositionFactory.create(
        account=other,
        instrument=OptionFactory.create(key="option:eur", currency="EUR"),
        currency="EUR",
        market_value=1_000,
        daily_change=-20,
    )
    FxRate.objects.create(
        base="USD", quote="EUR", rate=Decimal("1.08"), source="ibkr", as_of="2026-01-02T15:00Z"
    )
    portfolio = Portfolio.objects.get(owner=trader)
    recalculate([portfolio.pk])
    portfolio.refresh_from_db()
    totals = read_book(list(Account.objects.select_related("status"))).totals
    assert float(portfolio.value or 0) == pytest.approx(totals["market_value"], abs=0.005)
    assert float(portfolio.daily_change or 0) == pytest.approx(totals["daily_change"], abs=0.005)


@pytest.mark.django_db
def test_shared_account_counts_until_access_ends(account: Account) -> None:
    viewer = UserFactory.create(username="viewer")
    access = AccountAccess.objects.create(account=account, user=viewer)
    mine = Portfolio.objects.get(owner=viewer, holds_all=True)
    recalculate([mine.pk])
    access.delete()
    assert mine.pk in portfolios_behind()
    recalculate([mine.pk])
    mine.refresh_from_db()
    assert (mine.value, mine.counted, mine.legs) == (None, [], 0)


@pytest.mark.django_db
def test_portfolio_is_behind_until_its_accounts_last_book_is_totalled(
    account: Account, trader: User
) -> None:
    portfolio = Portfolio.objects.get(owner=trader)
    assert portfolios_behind() == [portfolio.pk]
    recalculate([portfolio.pk])
    assert portfolios_behind() == []
    Account.objects.update(book_version=4)
    assert portfolios_behind() == [portfolio.pk]


@pytest.mark.django_db
def test_removed_portfolio_is_left(account: Account) -> None:
    recalculate([987])
    assert not Portfolio.objects.filter(pk=987).exists()


@pytest.mark.django_db
def test_portfolios_of_the_same_accounts_are_totalled_once_and_each_announced(
    account: Account, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = AccountFactory.create(account_id="DU2", owner=trader)
    alone = Portfolio.objects.create(owner=trader, name="Alone")
    alone.accounts.add(account)
    same = Portfolio.objects.create(owner=trader, name="Same")
    same.accounts.add(account, other)
    for _ in range(3):
        AccountAccess.objects.create(account=account, user=UserFactory.create())
    totalled: list[int] = []
    told: list[str] = []

    def count(rows: Any, **named: Any) -> Any:
        totalled.append(len(rows))
        return portfolio_totals(rows, **named)

    monkeypatch.setattr("portfolio.updates.calculation.portfolio_totals", count)
    monkeypatch.setattr(
        "portfolio.updates.announcing.announce_all", lambda pairs: told.extend(g for g, _ in pairs)
    )
    recalculate(list(Portfolio.objects.values_list("pk", flat=True)))
    assert len(totalled) == 2
    assert len(told) == len(set(told)) == 4
    rows: list[Any] = sorted(
        Portfolio.objects.values_list("counted", "value", "daily_change", "book_version")
    )
    assert rows == [
        *[(["DU1"], 650, 150, 3)] * 4,
        *[(["DU1", "DU2"], 650, 150, 3 + other.book_version)] * 2,
    ]


@pytest.mark.django_db
def test_totals_take_as_many_queries_for_any_number_of_legs(
    account: Account, trader: User, django_assert_max_num_queries: Any
) -> None:
    portfolio = Portfolio.objects.get(owner=trader)
    instrument = OptionFactory.create(key="option:many")
    Position.objects.bulk_create(
        PositionFactory.build(account=account, instrument=instrument, sub_key=str(number))
        for number in range(200)
    )
    # Two of them read the calendars of both exchanges, once a process.
    with django_assert_max_num_queries(13):
        recalculate([portfolio.pk])
