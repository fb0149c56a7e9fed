"""The bridge against the simulated gateway: session, order of calls, limits and faults."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.core.clock import now
from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    MalformedResponse,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.sandbox.server import Sandbox
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.ibkr_portal.adapter import open_portal
from portfolio.brokers.ibkr_portal.gateway import call_budgets, certificate_check
from portfolio.brokers.registry import open_adapter
from portfolio.domain import Broker
from portfolio.sandbox.revisions import revisions
from tests.portfolio.fills import fills

# A lost session is opened once for all processes: they agree in the database.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
ACCOUNT = "DU1000001"
BASE = "/v1/api"


@pytest.fixture
def bridge(sandbox: Sandbox, settings: Any) -> Iterator[BrokerAdapter]:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.PROVIDER_TIMEOUT_SECONDS = 20.0
    opened = open_portal()
    yield opened
    opened.close()


@pytest.fixture
def gateway(sandbox: Sandbox) -> Any:
    return sandbox.applications["ibkr_portal"]


def paths(sandbox: Sandbox) -> list[str]:
    return [request.path.removeprefix(BASE) for request in sandbox.faults.requests()]


def test_registry_opens_a_broker_adapter(sandbox: Sandbox, settings: Any) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    adapter = open_adapter("IBKR")
    assert isinstance(adapter, BrokerAdapter)
    assert (adapter.broker, adapter.source) == (Broker.IBKR, "ibkr")
    assert [item.account_number for item in adapter.fetch_accounts().items] == [ACCOUNT]
    adapter.close()


def test_book_agrees_with_the_simulated_account(sandbox: Sandbox, bridge: BrokerAdapter) -> None:
    held = {p.contract.aliases["ibkr"]: p for p in sandbox.books.account(ACCOUNT).positions()}
    fetched = bridge.fetch_positions(ACCOUNT)
    assert fetched.rejected == ()
    assert {item.contract.aliases["ibkr"] for item in fetched.items} == set(held)
    for item in fetched.items:
        contract = item.contract
        position = held[contract.aliases["ibkr"]]
        expected = position.contract
        assert item.quantity == position.quantity
        assert item.average_price == Decimal(str(position.average_price))
        # The portal names a future's product, not its month.
        assert expected.underlying.startswith(contract.underlying)
        for name in ("kind", "expiry", "strike", "right", "multiplier", "currency"):
            assert getattr(contract, name) == getattr(expected, name), name
        assert contract.aliases == {"ibkr": expected.aliases["ibkr"]}
        assert contract.description == expected.description


def test_summary_agrees_with_the_simulated_account(sandbox: Sandbox, bridge: BrokerAdapter) -> None:
    expected = sandbox.books.account(ACCOUNT).summary()
    summary = bridge.fetch_account_summary(ACCOUNT)
    assert summary.currency == "USD"
    assert summary.cash == Decimal(str(expected.cash))
    assert summary.realized_pnl == Decimal(str(expected.realized_pnl))
    # The market moves between the two reads.
    for name in ("net_liquidation", "initial_margin", "maintenance_margin", "buying_power"):
        read, meant = getattr(summary, name), getattr(expected, name)
        assert float(read) == pytest.approx(meant, rel=0.05), name
    # The portal's own summary was enough.
    assert f"/iserver/account/{ACCOUNT}/summary" not in paths(sandbox)


def test_orders_are_asked_for_twice_in_a_new_session_and_once_later(
    sandbox: Sandbox, bridge: BrokerAdapter
) -> None:
    expected = {str(order.order_id) for order in sandbox.books.account(ACCOUNT).orders()}
    assert expected
    for calls in (2, 3):
        fetched = bridge.fetch_open_orders(ACCOUNT)
        assert fetched.rejected == ()
        assert {order.broker_order_id for order in fetched.items} == expected
        asked = sandbox.faults.requests(path="/iserver/account/orders$")
        assert len(asked) == calls
    assert [request.query for request in asked] == ["force=true", "", ""]


def test_executions_keep_their_ids_and_commissions(sandbox: Sandbox, bridge: BrokerAdapter) -> None:
    since = now() - timedelta(days=7)
    expected = {}
    for filled in sandbox.books.account(ACCOUNT).fills(since):
        told = revisions(filled, now())[-1]
        expected[told.execution_id] = filled._replace(price=told.price)
    assert expected
    fetched = bridge.fetch_executions(ACCOUNT, since=since + timedelta(minutes=1))
    assert fetched.rejected == ()
    items = fills(fetched.items)
    assert {item.broker_execution_id for item in items} == set(expected)
    for item in items:
        fill = expected[item.broker_execution_id]
        assert (item.side, item.quantity) == (fill.side, fill.quantity)
        assert item.price == Decimal(str(fill.price))
        assert item.commission == Decimal(str(fill.commission))
        assert item.contract.aliases["ibkr"] == fill.contract.aliases["ibkr"]
        assert item.execution_time is not None
        assert abs(item.execution_time - fill.executed_at) < timedelta(milliseconds=2)
    (asked,) = sandbox.faults.requests(path="/iserver/account/trades$")
    assert asked.query == "days=7"


def test_snapshot_waits_past_the_preflight_for_prices_and_greeks(
    sandbox: Sandbox, bridge: BrokerAdapter
) -> None:
    contracts = [item.contract for item in bridge.fetch_positions(ACCOUNT).items]
    # Those with a chain of their own; the test of every kind has the others.
    options = [
        found
        for contract in contracts
        if contract.is_option and (found := sandbox.market.contract(contract.symbol))
    ]
    assert options
    fetched = bridge.fetch_snapshots(contracts)
    assert len(sandbox.faults.requests(path="/marketdata/snapshot")) == 2
    assert {item.contract.symbol for item in fetched.items} == {c.symbol for c in contracts}
    assert fetched.rejected == ()
    greeks = {item.contract.symbol: item.greeks for item in fetched.items}
    for quote in sandbox.market.quotes(options):
        read = greeks[quote.contract.symbol]
        assert read is not None
        assert read.is_complete
        assert read.delta == pytest.approx(quote.delta, abs=0.02)
        assert read.implied_volatility == pytest.approx(quote.implied_volatility, abs=0.02)
    assert all(greeks[c.symbol] is None for c in contracts if not c.is_option)


def test_snapshot_that_never_gets_data_is_absent_after_the_deadline(
    sandbox: Sandbox, settings: Any
) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.IBKR_PORTAL_SNAPSHOT_SECONDS = 0.3
    sandbox.faults.add(
        path="/marketdata/snapshot", times=None, status=200, body=[{"conid": 756733}]
    )
    opened = open_portal()
    fetched = opened.fetch_snapshots([sandbox.market.underlying("SPY")])
    opened.close()
    assert (fetched.items, fetched.rejected) == ((), ())


def test_foreign_contract_is_found_by_its_terms(sandbox: Sandbox, bridge: BrokerAdapter) -> None:
    expiry = sandbox.market.expiries("SPY")[2]
    option = sandbox.market.chain("SPY", expiry)[40]
    foreign = replace(option, aliases={"tastytrade": option.symbol})
    unknown = replace(foreign, symbol="SPY1  " + option.symbol[6:], root="SPY1")
    fetched = bridge.fetch_snapshots([foreign, unknown])
    (found,) = fetched.items
    assert found.quote is not None
    assert found.contract.symbol == foreign.symbol
    # What the search found comes along, so that nobody has to search again.
    assert found.contract.aliases == {"tastytrade": option.symbol, "ibkr": option.aliases["ibkr"]}


def test_more_contracts_than_lines_are_asked_in_batches(
    sandbox: Sandbox, bridge: BrokerAdapter
) -> None:
    expiry = sandbox.market.expiries("SPY")[2]
    contracts = sandbox.market.chain("SPY", expiry)[:150]
    fetched = bridge.fetch_snapshots(contracts)
    assert {item.contract.symbol for item in fetched.items} == {c.symbol for c in contracts}


def test_preparing_calls_come_first_and_once(sandbox: Sandbox, bridge: BrokerAdapter) -> None:
    bridge.fetch_positions(ACCOUNT)
    bridge.fetch_positions(ACCOUNT)
    bridge.fetch_open_orders(ACCOUNT)
    asked = paths(sandbox)
    assert asked[:3] == [
        "/tickle",
        "/portfolio/accounts",
        f"/portfolio/{ACCOUNT}/positions/invalidate",
    ]
    assert asked.count("/portfolio/accounts") == asked.count("/tickle") == 1
    assert asked.index("/iserver/accounts") < asked.index("/iserver/account/orders")


def test_positions_are_never_read_from_the_gateways_old_copy(
    sandbox: Sandbox, bridge: BrokerAdapter, gateway: Any
) -> None:
    bridge.fetch_positions(ACCOUNT)
    account = gateway.accounts[0]
    sold = account.positions()[1:]
    account.positions = lambda: sold
    assert len(bridge.fetch_positions(ACCOUNT).items) == len(sold)


def test_lost_session_is_reopened_once_and_prepared_again(
    sandbox: Sandbox, bridge: BrokerAdapter, gateway: Any
) -> None:
    before = bridge.fetch_positions(ACCOUNT)
    gateway.session.expire()
    sandbox.faults.forget_requests()
    after = bridge.fetch_positions(ACCOUNT)
    assert len(after.items) == len(before.items)
    asked = paths(sandbox)
    assert asked.count("/iserver/auth/ssodh/init") == 1
    assert asked.count("/portfolio/accounts") == 1


def test_fifty_callers_of_a_lost_session_reopen_it_once(
    sandbox: Sandbox, bridge: BrokerAdapter, gateway: Any
) -> None:
    expected = len(bridge.fetch_positions(ACCOUNT).items)
    gateway.session.expire()
    sandbox.faults.forget_requests()
    with ThreadPoolExecutor(50) as pool:
        books = list(pool.map(bridge.fetch_positions, [ACCOUNT] * 50))
    assert {len(book.items) for book in books} == {expected}
    assert paths(sandbox).count("/iserver/auth/ssodh/init") == 1
    prepared = sandbox.faults.requests(path="/portfolio/accounts$")
    assert [request.status for request in prepared if request.status == 200] == [200]


def test_gateway_that_forgot_its_preparing_calls_gets_them_again(
    sandbox: Sandbox, bridge: BrokerAdapter, gateway: Any
) -> None:
    bridge.fetch_positions(ACCOUNT)
    gateway.session._prepared.clear()
    assert bridge.fetch_positions(ACCOUNT).items


def test_logged_out_gateway_asks_for_a_log_in(bridge: BrokerAdapter, gateway: Any) -> None:
    gateway.session.log_out()
    with pytest.raises(UnauthorisedError, match="Log in"):
        bridge.fetch_positions(ACCOUNT)


def test_competing_session_is_named_and_not_thrown_out(
    sandbox: Sandbox, bridge: BrokerAdapter, gateway: Any
) -> None:
    gateway.session.competing = True
    with pytest.raises(UnauthorisedError, match="another session"):
        bridge.fetch_positions(ACCOUNT)
    assert "/iserver/auth/ssodh/init" not in paths(sandbox)


def test_without_redis_the_process_remembers_by_itself(
    sandbox: Sandbox, bridge: BrokerAdapter, settings: Any, tmp_path: Path
) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody-listens"
    assert bridge.fetch_positions(ACCOUNT).items
    assert bridge.fetch_positions(ACCOUNT).items
    assert (paths(sandbox).count("/tickle"), paths(sandbox).count("/portfolio/accounts")) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 403, "times": None}, ForbiddenError),
        ({"status": 500, "times": None}, RetryableError),
        ({"disconnect": True, "times": None}, RetryableError),
        ({"truncate": 25}, MalformedResponse),
        ({"status": 200, "body": "<html>Please wait</html>"}, MalformedResponse),
        ({"status": 200, "body": {"error": "later"}}, MalformedResponse),
        ({"status": 200, "body": "null"}, MalformedResponse),
    ],
)
def test_fault_on_a_page_of_positions_raises_and_never_shortens_the_book(
    sandbox: Sandbox, bridge: BrokerAdapter, fault: dict[str, Any], error: type[Exception]
) -> None:
    sandbox.faults.add(path="/positions/0$", **fault)
    with pytest.raises(error):
        bridge.fetch_positions(ACCOUNT)


def test_one_failure_is_retried_unseen(sandbox: Sandbox, bridge: BrokerAdapter) -> None:
    sandbox.faults.add(path="/positions/0$", status=502)
    assert bridge.fetch_positions(ACCOUNT).items
    assert len(sandbox.faults.requests(path="/positions/0$")) == 2


def test_damaged_rows_of_a_served_page_are_rejected_and_the_rest_kept(
    sandbox: Sandbox, bridge: BrokerAdapter
) -> None:
    sent = len(bridge.fetch_positions(ACCOUNT).items)
    sandbox.faults.add(
        path="/positions/0$",
        replace={
            "/0/position": float("nan"),
            "/1/conid": "1" * 100,
            "/2/position": 1.7976931348623157e308,
            "/3": "not a row",
            "/4/contractDesc": "A\x00B",
            "/5/mktPrice": None,
        },
    )
    fetched = bridge.fetch_positions(ACCOUNT)
    assert (len(fetched.items), len(fetched.rejected)) == (sent - 5, 5)


def test_too_many_calls_end_in_a_penalty_that_the_bridge_waits_out(
    sandbox: Sandbox, bridge: BrokerAdapter, gateway: Any
) -> None:
    bridge.fetch_accounts()
    gateway.limits.enabled = True
    for _ in range(11):
        gateway.limits.admits("/portfolio/any")
    sandbox.faults.forget_requests()
    with pytest.raises(RateLimitedError):
        bridge.fetch_account_summary(ACCOUNT)
    with pytest.raises(RateLimitedError) as caught:
        bridge.fetch_account_summary(ACCOUNT)
    # No second call was made: the penalty counts from the first 429.
    assert [request.status for request in sandbox.faults.requests()] == [429]
    assert caught.value.retry_after is not None
    assert 800 < caught.value.retry_after <= 900


def test_gateway_that_keeps_failing_is_left_alone_for_a_while(
    sandbox: Sandbox, bridge: BrokerAdapter
) -> None:
    sandbox.faults.add(times=None, status=503)
    for _ in range(5):
        with pytest.raises(RetryableError):
            bridge.fetch_accounts()
    sandbox.faults.forget_requests()
    with pytest.raises(CircuitOpen):
        bridge.fetch_accounts()
    assert sandbox.faults.requests() == []


def test_bridge_within_its_budgets_is_never_refused(
    sandbox: Sandbox, gateway: Any, settings: Any
) -> None:
    gateway.limits.enabled = True
    gateway.limits.endpoint_seconds = 0.5
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.IBKR_PORTAL_CALLS_PER_SECOND = 8
    settings.IBKR_PORTAL_ENDPOINT_SECONDS = 0.7
    opened = open_portal()
    book = opened.fetch_positions(ACCOUNT)
    opened.fetch_snapshots([item.contract for item in book.items])
    for _ in range(2):
        opened.fetch_open_orders(ACCOUNT)
        opened.fetch_executions(ACCOUNT, since=now())
    opened.close()
    assert {request.status for request in sandbox.faults.requests()} == {200}


def test_slow_endpoints_have_a_budget_of_their_own(settings: Any) -> None:
    assert call_budgets() == {}
    settings.IBKR_PORTAL_CALLS_PER_SECOND = 8
    settings.IBKR_PORTAL_ENDPOINT_SECONDS = 6.0
    budgets = call_budgets()
    # In this order: the slow endpoint's turn comes last, right before the call.
    assert [(path, b.limit, b.seconds) for path, b in budgets.items()] == [
        ("", 8, 1.0),
        ("/tickle", 1, 1.2),
        ("/portfolio/accounts", 1, 6.0),
        ("/iserver/account/orders", 1, 6.0),
        ("/iserver/account/trades", 1, 6.0),
    ]


def test_certificate_is_unchecked_on_loopback_only(tmp_path: Path) -> None:
    on_loopback = certificate_check("https://localhost:5000/v1/api", "")
    assert not isinstance(on_loopback, bool)
    assert on_loopback.verify_mode.name == "CERT_NONE"
    assert certificate_check("https://gateway.example:5000/v1/api", "") is True
    with pytest.raises(ImproperlyConfigured, match="IBKR_PORTAL_CA_FILE"):
        certificate_check("https://localhost:5000", str(tmp_path / "missing.pem"))
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(ImproperlyConfigured, match="IBKR_PORTAL_CA_FILE"):
        certificate_check("https://localhost:5000", str(broken))
