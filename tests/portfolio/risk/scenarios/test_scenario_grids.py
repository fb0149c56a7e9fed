"""The kept grids: computed after commits, never going back, summed to the worst cell."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import time_machine
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core.clock import now
from config.core.redis.locks import subject_lock
from portfolio.models import Account, DailyClose, FxRate, ScenarioGrid
from portfolio.risk.scenarios.axes import DEFAULT_AXES
from portfolio.risk.scenarios.grid import extreme_cell, worst_cell_of
from portfolio.risk.scenarios.grid_reading import scenario_grid
from portfolio.risk.scenarios.kept_grids import accounts_behind, compute_scenario_grid
from portfolio.risk.what_if.run import what_if
from portfolio.risk_monitor.body import accounts_for_risk, worst_cell
from portfolio.sync import grid_requests
from portfolio.sync.grid_requests import forget_grid_request, request_grid
from portfolio.sync.progress import announce_change, announce_revaluations
from portfolio.tasks import risk as risk_tasks
from tests.portfolio.risk.legs import stored_account, stored_option, stored_stock

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def account(trader: User) -> Account:
    account = stored_account(trader)
    stored_option(account, strike=600, right="P", quantity=-2)
    stored_stock(account, quantity=44)
    return account


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    messages: Sent = []
    for task in (risk_tasks.compute_scenario_grid_task, risk_tasks.update_betas_task):

        def apply_async(kwargs: dict[str, Any], name: str = task.name, **_: Any) -> None:
            messages.append((name, kwargs))

        monkeypatch.setattr(task, "apply_async", apply_async)
    return messages


@time_machine.travel("2026-11-20T16:00:00Z", tick=False)
def test_kept_grid_is_the_accounts_own_over_the_default_axes(
    trader: User, account: Account
) -> None:
    assert compute_scenario_grid(account_id=account.pk)
    kept = ScenarioGrid.objects.get()
    shown = scenario_grid(user=trader)
    assert (kept.axes, kept.pnl) == (DEFAULT_AXES.body(), shown["pnl"])
    assert (kept.book_version, kept.currency, kept.left_out) == (1, "USD", 0)


@time_machine.travel("2026-11-20T16:00:00Z", tick=False)
def test_worst_cell_of_several_accounts_is_that_of_the_sum(trader: User, account: Account) -> None:
    other = stored_account(trader, book_version=5)
    stored_option(other, strike=640, right="C", quantity=-3, style="american")
    for each in (account, other):
        compute_scenario_grid(account_id=each.pk)
    worst = worst_cell_of([account, other], "USD")
    assert worst is not None
    shown = scenario_grid(user=trader)["worst"]
    assert worst["pnl"] == pytest.approx(shown["pnl"], rel=1e-9)
    place = ("spot", "vol", "days")
    assert [worst[name] for name in place] == [shown[name] for name in place]
    assert worst["version"] == 6
    alone = worst_cell_of([account], "USD")
    assert alone is not None
    assert alone["pnl"] == scenario_grid(user=trader, account_id=account.pk)["worst"]["pnl"]


def test_worst_cell_is_unknown_while_a_part_is(trader: User, account: Account) -> None:
    other = stored_account(trader)
    compute_scenario_grid(account_id=account.pk)
    assert worst_cell_of([account, other], "USD") is None
    assert worst_cell_of([], "USD") is None
    compute_scenario_grid(account_id=other.pk)
    assert worst_cell_of([account, other], "USD") is not None
    ScenarioGrid.objects.filter(account=other).update(axes={"spot": [0], "vol": [0], "days": [0]})
    assert worst_cell_of([account, other], "USD") is None


def test_cells_that_differ_by_rounding_are_the_first_of_them() -> None:
    totals = np.full((3, 5, 9), 100.0) + np.random.default_rng(5).normal(0.0, 1e-9, (3, 5, 9))
    totals[0, 0, 0] = 250.0
    assert extreme_cell(totals, worst=True) == (0, 0, 1)
    assert extreme_cell(-totals, worst=False) == (0, 0, 1)
    totals[2, 1, 3] -= 1.0
    assert extreme_cell(totals, worst=True) == (2, 1, 3)


def test_book_of_which_nothing_can_be_valued_has_no_worst_cell(trader: User) -> None:
    account = stored_account(trader)
    held = stored_option(account, underlying_price=None)
    compute_scenario_grid(account_id=account.pk)
    assert worst_cell_of([account], "USD") is None
    grid = scenario_grid(user=trader, cell=(-10.0, 0.0, 0))
    assert (grid["worst"], grid["best"], grid["cell"]) == (None, None, None)
    assert [row["id"] for row in grid["left_out"]] == [str(held.pk)]
    close = [{"action": "close", "position_id": str(held.pk)}]
    body = what_if(user=trader, changes=close)
    assert (body["before"]["worst"], body["difference"]["worst"]) == (None, None)
    assert body["after"]["worst"]["pnl"] == 0.0


def test_grid_in_another_currency_is_converted_or_unknown(trader: User, account: Account) -> None:
    compute_scenario_grid(account_id=account.pk)
    dollars = worst_cell_of([account], "USD")
    assert worst_cell_of([account], "EUR") is None
    FxRate.objects.create(base="EUR", quote="USD", rate=Decimal("0.9"), as_of=now(), source="x")
    euros = worst_cell_of([account], "EUR")
    assert dollars is not None
    assert euros is not None
    assert euros["pnl"] == pytest.approx(0.9 * dollars["pnl"])


def test_worst_cell_costs_one_query_or_none(
    account: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    compute_scenario_grid(account_id=account.pk)
    with django_assert_num_queries(1):
        assert worst_cell_of([account], "USD") is not None
    joined = Account.objects.select_related("scenario_grid").get(pk=account.pk)
    with django_assert_num_queries(0):
        assert worst_cell_of([joined], "USD") is not None


def test_grid_of_an_older_book_never_replaces_a_newer_one(account: Account) -> None:
    compute_scenario_grid(account_id=account.pk)
    ScenarioGrid.objects.update(book_version=9)
    assert not compute_scenario_grid(account_id=account.pk)
    assert ScenarioGrid.objects.get().book_version == 9


def test_empty_book_has_a_grid_of_noughts(trader: User) -> None:
    account = stored_account(trader)
    compute_scenario_grid(account_id=account.pk)
    worst = worst_cell_of([account], "USD")
    assert worst is not None
    assert worst["pnl"] == 0.0


def test_removed_or_disabled_account_gets_none(account: Account) -> None:
    Account.objects.update(enabled=False)
    assert not compute_scenario_grid(account_id=account.pk)
    assert not compute_scenario_grid(account_id="NOSUCH")


def test_accounts_behind_their_books_are_found(trader: User, account: Account) -> None:
    other = stored_account(trader)
    assert set(accounts_behind()) == {account.pk, other.pk}
    for each in (account, other):
        compute_scenario_grid(account_id=each.pk)
    assert accounts_behind() == []
    Account.objects.filter(pk=other.pk).update(book_version=2)
    assert accounts_behind() == [other.pk]
    compute_scenario_grid(account_id=other.pk)
    ScenarioGrid.objects.filter(account=account).update(axes={"spot": [1.0]})
    assert accounts_behind() == [account.pk]


def test_burst_of_commits_asks_once_and_the_next_after_the_work_again(
    account: Account, sent: Sent
) -> None:
    for version in (2, 3, 4):
        announce_change(account.pk, version)
    ask = ("portfolio.compute_scenario_grid", {"account_id": account.pk})
    assert sent == [ask]
    risk_tasks.compute_scenario_grid_task(account_id=account.pk)
    announce_change(account.pk, 5)
    assert sent.count(ask) == 2


def test_commit_while_a_grid_is_computed_is_asked_for_after_it(
    account: Account, sent: Sent
) -> None:
    task = "portfolio.compute_scenario_grid"
    with subject_lock(f"task:{task}:scenario_grid.{account.pk}", seconds=10):
        risk_tasks.compute_scenario_grid_task(account_id=account.pk)
    assert sent == [(task, {"account_id": account.pk})]
    assert ScenarioGrid.objects.count() == 0


def test_sweep_asks_for_what_is_behind(account: Account, sent: Sent) -> None:
    risk_tasks.sweep_scenario_grids_task()
    assert sent == [("portfolio.compute_scenario_grid", {"account_id": account.pk})]


def test_commit_goes_through_while_there_is_no_queue(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise OSError("no queue")

    monkeypatch.setattr(risk_tasks.compute_scenario_grid_task, "apply_async", refuse)
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(book_version=2)
        announce_change(account.pk, 2)
    account.refresh_from_db()
    assert account.book_version == 2


def test_closes_of_a_new_underlying_are_asked_for_once(account: Account, sent: Sent) -> None:
    for _ in range(2):
        risk_tasks.compute_scenario_grid_task(account_id=account.pk)
    assert sent == [("portfolio.update_betas", {})]


def test_known_underlyings_ask_for_nothing(account: Account, sent: Sent) -> None:
    DailyClose.objects.create(
        symbol="SPY", session_date=now().date() - timedelta(days=1), close=600, source="polygon",
        as_of=now(),
    )  # fmt: skip
    risk_tasks.compute_scenario_grid_task(account_id=account.pk)
    assert sent == []


def test_grid_is_queued_once_however_often_it_is_requested(account: Account, sent: Sent) -> None:
    for _ in range(3):
        request_grid(account.pk)
    assert sent == [("portfolio.compute_scenario_grid", {"account_id": account.pk})]


def test_grid_of_streamed_prices_is_less_urgent_than_of_a_sync(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    countdowns = []
    monkeypatch.setattr(
        grid_requests, "enqueue", lambda *_, countdown, **__: countdowns.append(countdown)
    )
    for announce in (
        lambda: announce_change(account.pk, 2),
        lambda: announce_revaluations({account.pk: 2}),
    ):
        announce()
        forget_grid_request(account.pk)
    after_sync, after_prices = countdowns
    assert after_prices >= 10 * after_sync


def test_worst_cell_follows_the_exchange_rate(trader: User) -> None:
    euros = stored_account(trader, base_currency="EUR")
    stored_option(euros, currency="EUR")
    stored_account(trader)
    for held in Account.objects.all():
        compute_scenario_grid(account_id=held.pk)
    rate = FxRate.objects.create(
        base="USD", quote="EUR", rate=Decimal(1), as_of=now(), source="ibkr"
    )

    def worst() -> float:
        found = worst_cell(accounts_for_risk(user=trader, account_id=None))
        assert found is not None
        return float(found["pnl"])

    at_par = worst()
    rate.rate = Decimal(2)
    rate.save()
    assert worst() == pytest.approx(2 * at_par)
