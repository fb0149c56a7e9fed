"""The adapter on the simulated Tastytrade: whole books, faults, expired and refused log-ins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from pytest_django import Settings

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    ProviderError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.http.breaker import CircuitBreaker
from config.core.http.caller import HttpCaller
from config.core.sandbox.server import Sandbox
from greeks.domain import InstrumentKind
from greeks.sandbox.market import Market
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.registry import open_adapter
from portfolio.brokers.tastytrade.adapter import TastytradeAdapter
from portfolio.brokers.tastytrade.token_source import log_in
from portfolio.domain import AccountEvent, Broker, BrokerPosition, CashMovement, ExecutionCancel
from portfolio.sandbox.tastytrade.log_ins import CLIENT_SECRET, REFRESH_TOKEN
from portfolio.sandbox.tastytrade.transactions import history

ACCOUNT = "5WX00001"
# Breakers and pauses go by name: no test inherits another's.
_names = map("tastytrade-sandbox-{}".format, count())


def log_in_to(sandbox: Sandbox, *, secret: str = CLIENT_SECRET) -> str:
    name = next(_names)
    caller = HttpCaller(
        name,
        sandbox.url("tastytrade"),
        timeout=5.0,
        breaker=CircuitBreaker(f"{name}.oauth"),
    )
    return log_in(caller, client_secret=secret, refresh_token=REFRESH_TOKEN).text


def connect(sandbox: Sandbox, *, timeout: float = 5.0) -> TastytradeAdapter:
    """Return a new adapter with its own log-in and two quick attempts for each call."""
    token = log_in_to(sandbox)
    return TastytradeAdapter(
        caller=HttpCaller(
            next(_names),
            sandbox.url("tastytrade"),
            timeout=timeout,
            attempts=2,
            authorise=lambda: {"Authorization": f"Bearer {token}"},
        )
    )


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    start = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    with Sandbox(market=Market.simulated(seed=7, start=start), limits=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, settings: Settings) -> Sandbox:
    """The running sandbox without faults or memories, its clock standing still."""
    settings.MARKET_CLOCK = running.market.now().isoformat()
    running.faults.clear()
    running.faults.forget_requests()
    return running


@pytest.fixture
def adapter(sandbox: Sandbox) -> Iterator[TastytradeAdapter]:
    connected = connect(sandbox)
    yield connected
    connected.close()


def log_ins(sandbox: Sandbox) -> int:
    return len(sandbox.faults.requests(server="tastytrade", path="^/oauth/token$"))


@pytest.mark.django_db
def test_settings_of_the_sandbox_and_the_registered_adapter_reads_it(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    settings.TASTYTRADE_CLIENT_SECRET = CLIENT_SECRET
    settings.TASTYTRADE_REFRESH_TOKEN = REFRESH_TOKEN
    opened = [open_adapter(Broker.TASTY) for _ in range(2)]
    for connected in opened:
        assert isinstance(connected, BrokerAdapter)
        [account] = connected.fetch_accounts().items
        assert (account.account_number, account.broker) == (ACCOUNT, Broker.TASTY)
        connected.close()
    # Adapters of one process share the log-in.
    assert log_ins(sandbox) == 1


def worth(position: BrokerPosition) -> Decimal:
    future = position.contract.kind is InstrumentKind.FUTURE
    return (position.unrealized_pnl if future else position.market_value) or Decimal(0)


def test_whole_book_and_cash_and_marks_add_up_to_net_liquidation(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    summary = adapter.fetch_account_summary(ACCOUNT)
    positions = adapter.fetch_positions(ACCOUNT)
    assert not positions.rejected
    assert positions.items
    # A future is worth its gain: it was not paid for.
    value = sum((worth(p) for p in positions.items), Decimal(0))
    assert summary.net_liquidation is not None
    assert summary.cash is not None
    assert abs(summary.cash + value - summary.net_liquidation) < Decimal("0.05")
    expected = {p.contract.symbol: p.quantity for p in sandbox.books.account(ACCOUNT).positions()}
    assert {p.contract.symbol: p.quantity for p in positions.items} == expected
    assert any(p.quantity < 0 for p in positions.items)
    for position in positions.items:
        assert position.average_price
        assert position.previous_close is not None
        assert position.unrealized_pnl is not None
        assert position.realized_pnl is not None


def test_positions_and_every_option_has_a_quote_and_its_greeks(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    contracts = [position.contract for position in adapter.fetch_positions(ACCOUNT).items]
    fetched = adapter.fetch_snapshots(contracts)
    assert not fetched.rejected
    answered = {snapshot.contract.symbol: snapshot.contract for snapshot in fetched.items}
    assert answered == {contract.symbol: contract for contract in contracts}
    for snapshot in fetched.items:
        quote, contract = snapshot.quote, snapshot.contract
        assert quote is not None
        assert quote.mark is not None
        assert quote.opening_price is not None
        assert (snapshot.greeks is not None) == contract.is_option
        if snapshot.greeks is not None:
            assert snapshot.greeks.is_complete
            assert snapshot.greeks.implied_volatility
            [simulated] = sandbox.market.quotes([sandbox.market.contract(contract.symbol)])
            assert snapshot.greeks.delta == pytest.approx(simulated.delta, abs=1e-6)


def test_contracts_of_other_markets_and_they_are_absent_from_the_answer(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    market = sandbox.market
    asked = [market.underlying(symbol) for symbol in ("SPY", "VIX", "NIFTY")]
    fetched = adapter.fetch_snapshots(asked)
    assert [snapshot.contract.symbol for snapshot in fetched.items] == ["SPY", "VIX"]
    assert fetched.items[1].contract.kind is InstrumentKind.INDEX


def test_orders_and_they_are_those_of_the_book(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    fetched = adapter.fetch_open_orders(ACCOUNT)
    assert not fetched.rejected
    simulated = {str(o.order_id): o for o in sandbox.books.account(ACCOUNT).orders()}
    assert {order.broker_order_id for order in fetched.items} == set(simulated)
    for order in fetched.items:
        placed = simulated[order.broker_order_id]
        assert order.status == placed.status
        assert (order.quantity, order.filled_quantity) == (
            placed.quantity,
            placed.filled_quantity,
        )
        assert order.limit_price == Decimal(str(placed.limit_price))
        assert [leg.contract.symbol for leg in order.legs] == [c.symbol for c, _ in placed.legs]
        assert order.placed_at is not None


def test_fills_over_several_pages_and_none_is_lost_or_doubled(
    sandbox: Sandbox, adapter: TastytradeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio.brokers.tastytrade.adapter.TRANSACTIONS_PER_PAGE", 20)
    since = sandbox.market.now() - timedelta(days=14)
    told = history(sandbox.books.account(ACCOUNT), since, sandbox.market.now())
    assert len(told) > 40
    fetched = adapter.fetch_executions(ACCOUNT, since=since)
    assert not fetched.rejected
    assert [event_id(event) for event in fetched.items] == [str(row["id"]) for row in told]


def event_id(event: AccountEvent) -> str:
    if isinstance(event, ExecutionCancel):
        return event.cancel_id
    return event.movement_id if isinstance(event, CashMovement) else event.broker_execution_id


def test_unknown_account_and_it_is_refused_for_good(adapter: TastytradeAdapter) -> None:
    with pytest.raises(PermanentError, match="not found"):
        adapter.fetch_positions("5WX99999")


def test_account_number_with_a_slash_and_it_stays_one_part_of_the_path(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    with pytest.raises(PermanentError, match="404"):
        adapter.fetch_positions("../customers/me/accounts?x=")
    assert not sandbox.faults.requests(server="tastytrade", path="^/customers")


def test_wrong_secret_and_log_ins_stop_before_the_vendor_blocks_the_address(
    sandbox: Sandbox,
) -> None:
    for _ in range(8):
        with pytest.raises(UnauthorisedError) as caught:
            log_in_to(sandbox, secret="not-the-secret")
        assert "not-the-secret" not in str(caught.value)
    assert log_ins(sandbox) == 3
    # The address was not blocked: right credentials still work.
    assert connect(sandbox).fetch_accounts().items


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, RetryableError),
        ({"status": 503, "body": "<html></html>"}, RetryableError),
        ({"disconnect": True}, ProviderError),
        ({"status": 403, "body": {"error": {"code": "x", "message": "no"}}}, ForbiddenError),
        ({"status": 429, "headers": {"Retry-After": "60"}}, RateLimitedError),
        ({"truncate": 40}, MalformedResponse),
        ({"status": 200, "body": "<html>maintenance</html>"}, MalformedResponse),
    ],
)
def test_fault_of_the_provider_and_it_is_raised_as_what_it_means(
    sandbox: Sandbox,
    adapter: TastytradeAdapter,
    fault: dict[str, object],
    error: type[ProviderError],
) -> None:
    adapter.fetch_accounts()
    sandbox.faults.add(server="tastytrade", path="/positions$", times=None, **fault)
    with pytest.raises(error):
        adapter.fetch_positions(ACCOUNT)


def test_answer_that_does_not_come_in_time_and_the_call_ends(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    adapter.fetch_accounts()
    impatient = connect(sandbox, timeout=0.3)
    sandbox.faults.add(server="tastytrade", path="/positions$", times=None, delay=0.7)
    with pytest.raises(RetryableError):
        impatient.fetch_positions(ACCOUNT)


def test_one_failed_answer_and_the_second_try_reads_the_book(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    sandbox.faults.add(server="tastytrade", path="/positions$", status=502)
    assert adapter.fetch_positions(ACCOUNT).items


def test_short_pause_asked_for_and_it_is_kept_and_the_book_read(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    sandbox.faults.add(
        server="tastytrade", path="/positions$", status=429, headers={"Retry-After": "0"}
    )
    assert adapter.fetch_positions(ACCOUNT).items


def test_page_cut_in_the_middle_of_the_history_and_no_part_of_it_comes_back(
    sandbox: Sandbox, adapter: TastytradeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio.brokers.tastytrade.adapter.TRANSACTIONS_PER_PAGE", 20)
    sandbox.faults.add(
        server="tastytrade", path="/transactions$", after=1, replace={"/data/items": []}
    )
    with pytest.raises(MalformedResponse, match="rows came"):
        adapter.fetch_executions(ACCOUNT, since=sandbox.market.now() - timedelta(days=14))


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("quantity", "NaN"),
        ("average-open-price", "1.797e308x"),
        ("symbol", "\u0000"),
        ("instrument-type", "Bond"),
        ("multiplier", None),
    ],
)
def test_one_damaged_position_and_the_others_are_read(
    sandbox: Sandbox, adapter: TastytradeAdapter, pointer: str, value: object
) -> None:
    whole = adapter.fetch_positions(ACCOUNT)
    sandbox.faults.add(
        server="tastytrade",
        path="/positions$",
        replace={f"/data/items/0/{pointer}": value},
    )
    damaged = adapter.fetch_positions(ACCOUNT)
    if pointer == "multiplier":
        assert [p.contract for p in damaged.items] == [p.contract for p in whole.items]
        return
    assert len(damaged.items) == len(whole.items) - 1
    assert [rejected.reason.split(":")[0] for rejected in damaged.rejected] == [pointer]


def test_book_suddenly_empty_and_it_is_an_answer(
    sandbox: Sandbox, adapter: TastytradeAdapter
) -> None:
    sandbox.faults.add(server="tastytrade", path="/positions$", replace={"/data/items": []})
    fetched = adapter.fetch_positions(ACCOUNT)
    assert (fetched.items, fetched.rejected) == ((), ())
