"""The change of the day starts at the open for what was held, at the fill for what was traded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import LazySettings

from config.core.clock import market_now
from greeks.domain import Contract, Snapshot
from portfolio.domain import Broker, ExecutionKind, Side
from portfolio.models import Account, Position, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, quote, stock
from tests.trades.executions.test_identity import fill
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
RunSync = Callable[[str], SyncRun]
CALL = option(600)
FRIDAY, MONDAY = "2026-11-20T17:00:00+00:00", "2026-11-23T17:00:00+00:00"


@pytest.fixture(autouse=True)
def noon(settings: LazySettings) -> None:
    """A Friday in session, so that an hour ago is today."""
    settings.MARKET_CLOCK = FRIDAY


@pytest.fixture
def account() -> Account:
    found: Account = AccountFactory.create()
    return found


def traded(
    account: Account,
    contract: Contract,
    side: Side,
    quantity: int,
    price: str,
    *,
    hours_ago: float = 1.0,
    kind: ExecutionKind = ExecutionKind.TRADE,
) -> None:
    at = market_now() - timedelta(hours=hours_ago)
    found = fill(
        account_number=account.account_number,
        contract=contract,
        broker_execution_id=f"{side.value}.{quantity}.{price}.{hours_ago}.01",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        execution_time=at,
        kind=kind,
    )
    counts = record_rows(
        JournalRows(executions=Executions([found])), broker=Broker.IBKR, source="ibkr"
    )
    assert counts.inserted == 1


def change(contract: Contract) -> Decimal | None:
    return Position.objects.get(symbol=contract.symbol).daily_change


# The quote's price is 12 (a share: 600), its opening price 11 (599).
@pytest.mark.parametrize(
    ("held", "fills", "expected"),
    [
        pytest.param(2, [], 2 * 1 * 100, id="held since yesterday"),
        pytest.param(2, [(Side.BUY, 2, "10")], 2 * 2 * 100, id="bought today"),
        pytest.param(-2, [(Side.SELL, 2, "13")], 2 * 1 * 100, id="sold short today"),
        pytest.param(3, [(Side.BUY, 1, "11.5")], (2 * 1 + 0.5) * 100, id="one added to two held"),
        pytest.param(1, [(Side.SELL, 1, "14")], (2 * 1 + (14 - 12)) * 100, id="one of two sold"),
        pytest.param(
            -1,
            [(Side.SELL, 3, "13")],
            (2 * 1 + 3 * (13 - 12)) * 100,
            id="two held and three sold, through zero",
        ),
        pytest.param(
            1,
            [(Side.BUY, 1, "10"), (Side.SELL, 1, "12")],
            1 * 1 * 100 + 2 * 100,
            id="held one and traded another around it",
        ),
    ],
)
def test_change_of_an_option(
    account: Account,
    broker: FakeBroker,
    run_sync: RunSync,
    held: int,
    fills: list[tuple[Side, int, str]],
    expected: float,
) -> None:
    for side, quantity, price in fills:
        traded(account, CALL, side, quantity, price)
    broker.positions = [position(CALL, held)]
    run_sync(account.pk)
    assert change(CALL) == Decimal(str(expected))


def test_shares_that_an_assignment_delivered_change_from_its_strike(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    traded(account, stock(), Side.BUY, 100, "590", kind=ExecutionKind.ASSIGNMENT)
    broker.positions = [position(stock(), 100)]
    run_sync(account.pk)
    assert change(stock()) == Decimal(1_000)


def test_fills_of_another_session_count_as_held(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    traded(account, CALL, Side.BUY, 2, "10", hours_ago=26)
    broker.positions = [position(CALL, 2)]
    run_sync(account.pk)
    assert change(CALL) == Decimal(200)


def test_fill_after_the_position_was_told_is_not_in_it_yet(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    traded(account, CALL, Side.BUY, 2, "10", hours_ago=0.5)
    broker.positions = [position(CALL, 2, as_of=market_now() - timedelta(hours=1))]
    run_sync(account.pk)
    assert change(CALL) == Decimal(200)


def test_fills_of_another_account_do_not_count(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    other: Account = AccountFactory.create()
    traded(other, CALL, Side.BUY, 2, "10")
    broker.positions = [position(CALL, 2)]
    run_sync(account.pk)
    assert change(CALL) == Decimal(200)


@pytest.mark.parametrize(
    ("contract", "opening", "expected"),
    [
        pytest.param(stock(), None, None, id="only the close before the split is known"),
        pytest.param(stock(), Decimal(599), 400, id="the open is known"),
        pytest.param(CALL, None, (12 - 2_400) * 400 * 100, id="an option may fall so far"),
    ],
)
def test_split_overnight_is_no_loss(
    account: Account,
    broker: FakeBroker,
    run_sync: RunSync,
    contract: Contract,
    opening: Decimal | None,
    expected: int | None,
) -> None:
    broker.positions = [position(contract, 400)]
    broker.snapshot = lambda asked: Snapshot(
        contract=asked,
        quote=quote(asked, opening_price=opening, previous_close=Decimal(2_400)),
        greeks=None,
    )
    run_sync(account.pk)
    assert change(contract) == expected


@pytest.mark.parametrize(
    ("clock", "hours_ago", "opening", "expected"),
    [
        # 400 shares, 600 now; the last close, 850, was of two for three.
        pytest.param(FRIDAY, 7, None, None, id="booked in the morning"),
        pytest.param(FRIDAY, 15.6, None, None, id="booked on the evening before"),
        pytest.param(FRIDAY, 15.6, Decimal(599), 400, id="the open is known"),
        pytest.param(FRIDAY, 26, None, -250 * 400, id="in effect before that close"),
        pytest.param(MONDAY, 63.6, None, None, id="booked on Friday evening"),
        pytest.param(MONDAY, 73, None, -250 * 400, id="in effect on Friday"),
    ],
)
def test_split_that_the_journal_knows_makes_the_close_before_it_no_base(
    account: Account,
    broker: FakeBroker,
    run_sync: RunSync,
    settings: LazySettings,
    clock: str,
    hours_ago: float,
    opening: Decimal | None,
    expected: int | None,
) -> None:
    settings.MARKET_CLOCK = clock
    traded(account, stock(), Side.BUY, 200, "0", hours_ago=hours_ago, kind=ExecutionKind.SPLIT)
    broker.positions = [position(stock(), 400)]
    broker.snapshot = lambda asked: Snapshot(
        contract=asked,
        quote=quote(asked, opening_price=opening, previous_close=Decimal(850)),
        greeks=None,
    )
    run_sync(account.pk)
    assert change(stock()) == expected


@pytest.mark.parametrize(
    ("clock", "fills", "expected"),
    [
        pytest.param("2026-11-24T02:00:00+00:00", [], 2 * 1 * 100, id="evening of the session"),
        pytest.param("2026-11-28T15:00:00+00:00", [], 0, id="a holiday later"),
        pytest.param("2026-11-24T06:00:00+00:00", [], 0, id="before the next open"),
        pytest.param(
            "2026-11-24T12:30:00+00:00", [(Side.BUY, 1, "11.5")], 50, id="bought before it"
        ),
    ],
)
def test_price_of_an_earlier_session_has_not_moved_today(
    account: Account,
    broker: FakeBroker,
    run_sync: RunSync,
    settings: LazySettings,
    clock: str,
    fills: list[tuple[Side, int, str]],
    expected: int,
) -> None:
    settings.MARKET_CLOCK = clock
    for side, quantity, price in fills:
        traded(account, CALL, side, quantity, price)
    broker.positions = [position(CALL, 2)]
    last = datetime.fromisoformat("2026-11-23T20:59:00+00:00")
    broker.snapshot = lambda asked: Snapshot(
        contract=asked, quote=quote(asked, as_of=last), greeks=None
    )
    run_sync(account.pk)
    assert change(CALL) == expected


@pytest.mark.parametrize(
    ("currency", "is_simulated", "expected"),
    [
        # 04:00 UTC is the next session in Mumbai and still the evening in New York.
        pytest.param("INR", False, 2 * 1 * 100, id="filled yesterday in Mumbai"),
        pytest.param("USD", False, (12 - 10) * 2 * 100, id="filled today in New York"),
        pytest.param("EUR", False, (12 - 10) * 2 * 100, id="elsewhere: the account's day"),
        pytest.param("INR", True, (12 - 10) * 2 * 100, id="simulated: the account's day"),
    ],
)
def test_session_of_a_fill_is_that_of_its_contracts_exchange(
    broker: FakeBroker,
    run_sync: RunSync,
    settings: LazySettings,
    currency: str,
    is_simulated: bool,
    expected: int,
) -> None:
    account = AccountFactory.create(simulated=is_simulated)
    contract = option(600, currency=currency)
    settings.MARKET_CLOCK = "2026-11-20T04:00:00+00:00"
    traded(account, contract, Side.BUY, 2, "10", hours_ago=20)
    broker.positions = [position(contract, 2)]
    run_sync(account.pk)
    assert change(contract) == expected


@pytest.mark.parametrize(
    ("currency", "expected"), [("INR", (12 - 10) * 100), ("USD", (12 - 11) * 100)]
)
def test_opening_price_is_of_the_session_of_the_contracts_exchange(
    account: Account,
    broker: FakeBroker,
    run_sync: RunSync,
    settings: LazySettings,
    currency: str,
    expected: int,
) -> None:
    """A quote that tells none takes the session's, which began in Mumbai a quarter of an hour
    ago; else the last close counts."""
    contract = option(600, currency=currency)
    broker.positions = [position(contract)]
    settings.MARKET_CLOCK = "2026-11-19T17:00:00+00:00"
    run_sync(account.pk)
    settings.MARKET_CLOCK = "2026-11-20T04:00:00+00:00"
    broker.snapshot = lambda asked: Snapshot(
        contract=asked, quote=quote(asked, opening_price=None), greeks=None
    )
    run_sync(account.pk)
    assert change(contract) == expected
