"""Whose Greeks: the own broker's, another's, our model's, the last known; never zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config.core.errors import RetryableError
from greeks.domain import Contract, InstrumentKind, Right, Snapshot
from greeks.models import ContractGreeks
from portfolio.domain import Broker
from portfolio.models import Account, Position, QuarantinedRow, Quote, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import (
    FakeBroker,
    greeks,
    option,
    position,
    quote,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
RunSync = Callable[[str], SyncRun]
CALL = option(600)


@pytest.fixture
def account(broker: FakeBroker) -> Account:
    broker.positions = [position(CALL, -2)]
    return AccountFactory.create()


@pytest.fixture
def tastytrade(brokers: dict[Broker, FakeBroker]) -> FakeBroker:
    """The other broker, set up because one of its accounts is here."""
    AccountFactory.create(broker=Broker.TASTY.value)
    return brokers[Broker.TASTY]


def answering(**changes: Any) -> Callable[[Contract], Snapshot | None]:
    """Return snapshots with quotes; Greeks of options with ``changes``, or none for ``None``."""
    none = changes.pop("none", False)

    def answer(contract: Contract) -> Snapshot:
        found = greeks(contract, **changes) if contract.is_option and not none else None
        return Snapshot(contract=contract, quote=quote(contract), greeks=found)

    return answer


def leg() -> Position:
    return Position.objects.get(symbol=CALL.symbol)


def test_own_brokers_greeks_come_first(
    account: Account, broker: FakeBroker, tastytrade: FakeBroker, run_sync: RunSync
) -> None:
    run_sync(account.pk)

    assert (leg().greeks_source, leg().greeks_last_known) == ("ibkr", False)
    assert leg().underlying_price == Decimal(600)
    assert tastytrade.calls == []


def test_other_broker_fills_what_the_own_one_lacks(
    account: Account, broker: FakeBroker, tastytrade: FakeBroker, run_sync: RunSync
) -> None:
    broker.snapshot = answering(none=True)

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert (leg().greeks_source, leg().delta_raw) == ("tastytrade", 0.5)
    assert tastytrade.opened == tastytrade.closed == 1
    # It was asked with every alias that is known, and only about what was missing.
    assert [contract.symbol for contract in tastytrade.asked] == [CALL.symbol]
    assert tastytrade.asked[0].aliases == CALL.aliases


def test_model_computes_from_the_quote_when_no_vendor_did(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.snapshot = answering(none=True)

    run_sync(account.pk)

    row = leg()
    assert row.greeks_source == "model"
    assert row.delta_raw is not None
    assert 0.4 < row.delta_raw < 0.6
    assert row.iv_raw == pytest.approx(0.12, abs=0.05)
    inputs = ContractGreeks.objects.get().inputs
    assert inputs["price"] == 12.0
    assert inputs["spot"] == 600.0
    assert inputs["forward_source"] == "rate"
    assert inputs["years"] == pytest.approx(45 / 365, abs=0.005)


def test_model_uses_the_brokers_mark_when_no_quote_came(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    def only_underlying(contract: Contract) -> Snapshot | None:
        if contract.is_option:
            return None
        return Snapshot(contract=contract, quote=quote(contract), greeks=None)

    broker.snapshot = only_underlying

    run_sync(account.pk)

    assert leg().greeks_source == "model"
    assert (leg().price, leg().price_source) == (Decimal(12), "ibkr")


def test_last_known_greeks_stay_marked_when_nobody_answers(
    account: Account, broker: FakeBroker, tastytrade: FakeBroker, run_sync: RunSync
) -> None:
    run_sync(account.pk)
    before = leg()
    broker.snapshot = RetryableError("IBKR did not answer.")
    tastytrade.snapshot = RetryableError("Tastytrade did not answer.")
    broker.positions = [position(CALL, -3, price=None)]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.PARTIAL
    assert run.counts["failed_steps"] == ["greeks"]
    assert run.counts["fallback_errors"] == ["tastytrade: provider_unreachable"]
    after = leg()
    assert after.quantity == -3
    assert after.greeks_last_known
    assert (after.delta_raw, after.greeks_source) == (before.delta_raw, "ibkr")
    assert after.greeks_as_of == before.greeks_as_of


def test_new_position_takes_the_shared_last_known(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    other: Account = AccountFactory.create()
    run_sync(other.pk)
    broker.snapshot = lambda _: None
    broker.positions = [position(CALL, 1, price=None)]

    run_sync(account.pk)

    row = Position.objects.get(account=account)
    assert (row.delta_raw, row.greeks_last_known) == (0.5, True)


def test_without_anything_known_greeks_are_missing_not_nought(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.snapshot = lambda _: None
    broker.positions = [position(CALL, 1, price=None)]

    run = run_sync(account.pk)

    row = leg()
    assert (row.delta, row.delta_raw, row.gamma, row.theta, row.vega) == (None,) * 5
    assert (row.price, row.market_value, row.daily_change) == (None,) * 3
    assert row.greeks_source == ""
    assert run.counts["options_without_greeks"] == 1
    assert run.counts["without_daily_change"] == 1


@pytest.mark.parametrize(
    "impossible",
    [
        {"delta": 1.2},
        {"delta": -0.5},
        {"delta": float("nan")},
        {"gamma": -0.5},
        {"vega": -2.0},
        {"theta": float("inf")},
        {"implied_volatility": -1.0},
        {"implied_volatility": 1.797e308},
    ],
)
def test_impossible_vendor_greeks_go_to_quarantine_and_the_next_source(
    account: Account, broker: FakeBroker, run_sync: RunSync, impossible: dict[str, float]
) -> None:
    broker.snapshot = answering(**impossible)

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert leg().greeks_source == "model"
    row = QuarantinedRow.objects.get()
    assert row.kind == "greeks"
    assert row.reason.startswith(next(iter(impossible)))


def test_noughts_for_not_computed_are_missing(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.snapshot = answering(delta=0.0, gamma=0.0, theta=0.0, vega=0.0, implied_volatility=0.0)

    run_sync(account.pk)

    assert leg().greeks_source == "model"
    assert QuarantinedRow.objects.count() == 0


def test_incomplete_greeks_are_used_only_when_nothing_better_is_known(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    def delta_only(contract: Contract) -> Snapshot | None:
        if not contract.is_option:
            return None
        partial = greeks(contract, gamma=None, theta=None, vega=None, underlying_price=None)
        return Snapshot(contract=contract, quote=None, greeks=partial)

    broker.snapshot = delta_only
    broker.positions = [position(CALL, 1, price=None)]

    run_sync(account.pk)

    assert (leg().delta_raw, leg().gamma_raw) == (0.5, None)
    assert ContractGreeks.objects.count() == 0


def test_expired_option_keeps_no_last_known_greeks(
    account: Account, broker: FakeBroker, run_sync: RunSync, settings: Any
) -> None:
    run_sync(account.pk)
    broker.snapshot = lambda _: None
    assert CALL.expiry is not None
    settings.MARKET_CLOCK = f"{CALL.expiry}T22:00:00+00:00"

    run_sync(account.pk)

    assert leg().delta_raw is None
    assert leg().dte == 0


def test_day_change_is_since_the_open_else_the_close_else_missing(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    def without_opening(contract: Contract) -> Snapshot:
        return Snapshot(contract=contract, quote=quote(contract, opening_price=None), greeks=None)

    broker.snapshot = without_opening
    run = run_sync(account.pk)
    assert leg().daily_change == Decimal(-400)
    assert (leg().opening_price, leg().previous_close) == (None, Decimal(10))
    assert run.counts["daily_change_since_close"] == 1

    broker.snapshot = None
    run_sync(account.pk)
    assert leg().daily_change == Decimal(-200)

    # The opening of the day does not change: it is kept when a later quote lacks it.
    broker.snapshot = without_opening
    run_sync(account.pk)
    assert leg().daily_change == Decimal(-200)


def test_put_deltas_are_negative_and_accepted(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    put = option(580, Right.PUT)
    broker.positions = [position(put, 1)]

    run_sync(account.pk)

    assert Position.objects.get().delta_raw == -0.5


def test_underlying_is_asked_for_with_the_options(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(option(6000, underlying="SPX")), position(CALL)]

    run_sync(account.pk)

    asked = {(c.kind, c.symbol) for c in broker.asked if not c.is_option}
    assert asked == {(InstrumentKind.INDEX, "SPX"), (InstrumentKind.STOCK, "SPY")}


def test_alias_that_a_provider_searched_for_is_remembered(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    def searching(contract: Contract) -> Snapshot:
        found = contract
        if not contract.is_option:
            found = replace(contract, aliases={**contract.aliases, "ibkr": "756733"})
        return Snapshot(contract=found, quote=quote(found), greeks=None)

    run_sync(account.pk)
    # Known by now, from a provider that did not say its own name for it.
    broker.snapshot = searching
    run_sync(account.pk)
    broker.asked.clear()
    run_sync(account.pk)

    (asked,) = [contract for contract in broker.asked if not contract.is_option]
    assert asked.aliases == {"ibkr": "756733"}


def test_quote_that_was_not_asked_for_is_set_aside(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    stranger = option(999)
    broker.snapshot = lambda _: Snapshot(
        contract=stranger, quote=quote(stranger), greeks=greeks(stranger)
    )

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert QuarantinedRow.objects.get().reason == "was not asked for"


@pytest.mark.parametrize(
    "damage",
    [
        {"bid": Decimal(-1)},
        {"mark": Decimal("1e15")},
        {"last": Decimal("-1e15")},
        {"volume": -5},
        {"open_interest": 2**70},
    ],
)
def test_impossible_value_of_a_quote_becomes_missing_and_is_noted(
    account: Account, broker: FakeBroker, run_sync: RunSync, damage: dict[str, Any]
) -> None:
    def damaged(contract: Contract) -> Snapshot | None:
        if not contract.is_option:
            return None
        return Snapshot(contract=contract, quote=quote(contract, **damage), greeks=None)

    broker.snapshot = damaged

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    (name,) = damage
    row = QuarantinedRow.objects.get()
    assert (row.kind, row.reason.split(":")[0]) == ("quote", name)
    stored = Quote.objects.get()
    assert stored.price == Decimal(12)
    if name in ("bid", "volume", "open_interest"):
        assert getattr(stored, name) is None


@pytest.mark.parametrize(
    ("mark", "price", "source"),
    [
        ("1.2", "1.2", "ibkr"),
        ("1", "1", "ibkr"),
        ("0.4", "1.2", "ibkr mid"),
        ("9", "1.2", "ibkr mid"),
    ],
)
def test_mark_outside_bid_and_ask_and_the_mid_values_the_position(
    account: Account,
    broker: FakeBroker,
    run_sync: RunSync,
    mark: str,
    price: str,
    source: str,
) -> None:
    contract = option()
    sides: dict[str, Any] = {"bid": Decimal(1), "ask": Decimal("1.4"), "mark": Decimal(mark)}
    broker.positions = [position(contract, 2)]
    broker.snapshot = lambda asked: (
        Snapshot(contract=asked, quote=quote(asked, **sides), greeks=None)
        if asked.is_option
        else None
    )
    run_sync(account.pk)
    row = Position.objects.get()
    assert (row.price, row.price_source) == (Decimal(price), source)
    assert row.market_value == Decimal(price) * 200
