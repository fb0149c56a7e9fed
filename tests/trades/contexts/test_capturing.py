"""What was known at a fill, and nothing that came later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test.utils import CaptureQueriesContext

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.store import resolve_instruments
from greeks.models import ContractGreekHistory, ContractGreeks, Instrument
from portfolio.domain import Broker, BrokerExecution, ExecutionKind, Side
from portfolio.models import Account, AccountHistory, PriceBar
from tests.trades.files import account_at
from trades.contexts.store import complete_contexts, complete_regimes, fill_contexts
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.models import EntryContext, IndexClose, TradeExecution
from trades.regimes.store import compute_regimes

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 15, 0, 40, tzinfo=UTC)
CALL = Contract(
    kind=InstrumentKind.OPTION,
    symbol="SPY   270115C00600000",
    underlying="SPY",
    root="SPY",
    expiry=date(2027, 1, 15),
    strike=Decimal(600),
    right=Right.CALL,
    multiplier=Decimal(100),
    currency="USD",
)
SHARE = Contract(
    kind=InstrumentKind.STOCK,
    symbol="SPY",
    underlying="SPY",
    multiplier=Decimal(1),
    currency="USD",
)


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


@pytest.fixture
def call() -> Instrument:
    return next(iter(resolve_instruments([CALL]).values()))


def record(*rows: BrokerExecution) -> None:
    record_rows(JournalRows(executions=Executions(rows)), broker=Broker.IBKR, source="ibkr")


def fill(number: int = 1, **changes: Any) -> BrokerExecution:
    values: dict[str, Any] = {
        "broker": Broker.IBKR,
        "account_number": "U1",
        "contract": CALL,
        "side": Side.SELL,
        "quantity": Decimal(1),
        "price": Decimal("12.5"),
        "execution_time": AT,
        "source": "ibkr",
        "broker_execution_id": f"0000aaaa.6700{number:04d}.01.01",
    }
    return BrokerExecution(**values | changes)


def minute_of_greeks(instrument: Instrument, as_of: datetime, delta: float, **more: Any) -> None:
    ContractGreekHistory.objects.create(
        instrument=instrument,
        minute=as_of.replace(second=0),
        delta_raw=delta,
        source=more.pop("source", "tasty"),
        as_of=as_of,
        **more,
    )


def only() -> EntryContext:
    return EntryContext.objects.get()


def test_greeks_of_the_minute_are_taken_only_if_they_came_before_the_fill(
    account: Account, call: Instrument
) -> None:
    minute_of_greeks(call, AT - timedelta(minutes=2), 0.40)
    minute_of_greeks(call, AT - timedelta(minutes=1), 0.41, underlying_price=Decimal("598.5"))
    # The minute of the fill ends after it.
    minute_of_greeks(call, AT + timedelta(seconds=15), 0.99)
    record(fill())
    assert fill_contexts() == 1
    context = only()
    assert (context.delta, context.greeks_source) == (0.41, "tasty")
    assert context.greeks_as_of == AT - timedelta(minutes=1)
    assert (context.underlying_price, context.underlying_source) == (Decimal("598.5"), "tasty")
    assert context.captured == "rebuilt"


def test_the_cache_is_used_when_it_is_newer_and_not_later_than_the_fill(
    account: Account, call: Instrument
) -> None:
    minute_of_greeks(call, AT - timedelta(minutes=3), 0.40)
    ContractGreeks.objects.create(
        instrument=call,
        delta_raw=0.45,
        source="ibkr",
        as_of=AT - timedelta(seconds=4),
        updated_at=AT,
    )
    record(fill())
    with time_machine.travel(AT + timedelta(seconds=20), tick=False):
        fill_contexts()
    context = only()
    assert (context.delta, context.greeks_source, context.captured) == (0.45, "ibkr", "live")


def test_later_or_old_numbers_are_absent_and_not_zero(account: Account, call: Instrument) -> None:
    minute_of_greeks(call, AT - timedelta(minutes=16), 0.40)
    ContractGreeks.objects.create(
        instrument=call,
        delta_raw=0.45,
        source="ibkr",
        as_of=AT + timedelta(seconds=1),
        updated_at=AT,
    )
    AccountHistory.objects.create(
        account=account,
        minute=AT.replace(second=0) - timedelta(hours=2),
        session_date=AT.date(),
        net_liquidation=Decimal(5),
        source="ibkr",
        as_of=AT - timedelta(hours=2),
    )
    record(fill())
    fill_contexts()
    context = only()
    assert context.delta is None
    assert context.greeks_source == ""
    assert context.underlying_price is None
    assert context.net_liquidation is None
    assert context.iv_rank is None
    assert context.regime == ""
    assert context.regime_rule is None
    assert context.dte == 56


def test_without_greeks_the_model_speaks_at_the_price_of_the_fill(account: Account) -> None:
    share = resolve_instruments([SHARE])
    PriceBar.objects.create(
        instrument=next(iter(share.values())),
        minute=AT.replace(second=0) - timedelta(minutes=1),
        open=Decimal(600),
        high=Decimal(600),
        low=Decimal(600),
        close=Decimal(600),
        source="tasty",
        as_of=AT - timedelta(seconds=55),
    )
    record(fill(price=Decimal("15.00")))
    fill_contexts()
    context = only()
    assert (context.greeks_source, context.greeks_as_of) == ("model", AT)
    assert context.underlying_source == "tasty"
    assert context.delta == pytest.approx(0.54, abs=0.03)
    # Brenner and Subrahmanyam: σ ≈ √(2π/T) · price / spot, at the money.
    assert context.implied_volatility == pytest.approx(0.14, abs=0.03)
    assert context.vega is not None
    assert context.vega > 0


def test_a_sibling_of_the_same_underlying_tells_its_price(
    account: Account, call: Instrument
) -> None:
    other = replace(CALL, strike=Decimal(610), symbol="SPY   270115C00610000")
    sibling = next(iter(resolve_instruments([other]).values()))
    minute_of_greeks(sibling, AT - timedelta(minutes=1), 0.3, underlying_price=Decimal("601.25"))
    record(fill())
    fill_contexts()
    assert (only().underlying_price, only().greeks_source) == (Decimal("601.25"), "model")


def test_the_account_and_its_book_are_those_of_the_minute_before(account: Account) -> None:
    for seconds, value in ((-100, 100_000), (10, 200_000)):
        as_of = AT + timedelta(seconds=seconds)
        AccountHistory.objects.create(
            account=account,
            minute=as_of.replace(second=0),
            session_date=AT.date(),
            net_liquidation=Decimal(value),
            dollar_delta=1234.5,
            theta=-8.0,
            source="ibkr",
            as_of=as_of,
        )
    record(fill())
    fill_contexts()
    context = only()
    assert (context.net_liquidation, context.book_dollar_delta) == (Decimal(100_000), 1234.5)
    assert (context.book_theta, context.book_vega) == (-8.0, None)
    assert context.book_as_of == AT - timedelta(seconds=100)


def closes(days: int, *, last: date) -> None:
    IndexClose.objects.bulk_create(
        IndexClose(
            symbol="VIX",
            session_date=last - timedelta(days=number),
            close=Decimal(18 if number else 25),
            source="cboe",
            as_of=AT,
        )
        for number in range(days)
    )
    compute_regimes()


def test_rule_26_regime_and_rank_are_of_the_close_before(account: Account) -> None:
    closes(300, last=AT.date())
    record(fill(1), fill(2, execution_time=AT + timedelta(days=1)))
    fill_contexts()
    first, second = EntryContext.objects.order_by("execution__execution_time")
    assert (first.regime, first.regime_source, first.regime_rule) == ("normal", "VIX", 1)
    assert first.iv_rank is None  # A year without any change has no rank.
    assert (second.regime, second.iv_rank, second.iv_rank_source) == ("elevated", 1.0, "VIX")
    assert second.regime_as_of == datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


def test_rule_26_an_old_regime_tells_nothing(account: Account) -> None:
    closes(300, last=AT.date() - timedelta(days=8))
    record(fill())
    fill_contexts()
    assert (only().regime, only().iv_rank) == ("", None)


def test_regimes_that_come_later_complete_what_waited(account: Account, call: Instrument) -> None:
    minute_of_greeks(call, AT - timedelta(minutes=1), 0.41)
    record(fill())
    fill_contexts()
    ContractGreekHistory.objects.all().delete()
    closes(300, last=AT.date() - timedelta(days=1))
    assert complete_regimes() == 1
    assert complete_regimes() == 0
    # What came from minutes deleted since stays.
    assert (only().regime, only().delta) == ("elevated", 0.41)


def test_a_rebuild_completes_and_keeps(account: Account, call: Instrument) -> None:
    record(fill())
    fill_contexts()
    before = only()
    assert before.delta is None
    minute_of_greeks(call, AT - timedelta(minutes=1), 0.41)
    call_command("rebuild_trades")
    after = only()
    assert (after.delta, after.captured_at) == (0.41, before.captured_at)
    ContractGreekHistory.objects.all().delete()
    complete_contexts(account)
    assert only().delta == 0.41


def test_a_fill_has_one_context_however_often_it_is_asked_for(account: Account) -> None:
    record(fill())
    assert [fill_contexts(), fill_contexts()] == [1, 0]
    assert EntryContext.objects.count() == 1


def test_only_what_opens_or_closes_has_a_context(account: Account) -> None:
    record(
        fill(1),
        fill(2, kind=ExecutionKind.EXPIRATION, price=Decimal(0), side=Side.BUY),
        fill(3, kind=ExecutionKind.SPLIT),
        fill(4, kind=ExecutionKind.TRANSFER),
    )
    TradeExecution.objects.filter(kind="trade").update(superseded=True)
    fill_contexts()
    assert only().execution.kind == "expiration"


def test_a_share_has_its_own_price_and_no_greeks(account: Account) -> None:
    record(fill(contract=SHARE, price=Decimal("601.5")))
    fill_contexts()
    context = only()
    assert (context.underlying_price, context.underlying_source) == (Decimal("601.5"), "ibkr")
    assert context.delta is None
    assert context.dte is None


def test_the_number_of_queries_does_not_depend_on_the_number_of_fills(
    account: Account, call: Instrument
) -> None:
    from django.db import connection

    record(*(fill(number) for number in range(3)))
    with CaptureQueriesContext(connection) as few:
        fill_contexts()
    later = [fill(number, execution_time=AT + timedelta(minutes=number)) for number in range(3, 99)]
    record(*later)
    with CaptureQueriesContext(connection) as many:
        assert fill_contexts() == 96
    assert len(many) <= len(few) + 1
