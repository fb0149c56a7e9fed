"""Every documented GET answers with its declared shape: no field missing, unknown or mistyped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import time_machine
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.api.shapes import Shape
from config.core.monitoring.counting import Kind, count
from config.core.monitoring.recording import record_provider_call, record_section
from greeks.domain import Right
from greeks.gex.snapshots import take_snapshot
from greeks.minutes.roll_up import roll_up_due
from greeks.models import (
    AlertChannel,
    AlertDelivery,
    AlertEvent,
    AlertRule,
    PolledInstrument,
)
from greeks.polling.poll import poll_chain
from portfolio.domain import Broker, Side
from portfolio.models import Account, AccountDay, Portfolio, Scenario, SyncRun
from portfolio.risk.scenarios.kept_grids import compute_scenario_grid
from portfolio.sync import fetch, run
from portfolio.updates.calculation import recalculate
from tests.factories import AccountFactory, UserFactory
from tests.greeks.scripted import EXPIRY, OPENS, ScriptedProvider, polled_instrument
from tests.portfolio.books import FakeAdapter, FakeBroker, option, order, position, stock
from tests.portfolio.risk.test_risk_report import store_closes
from tests.trades.executions.test_identity import fill
from trades.annotations.writing import add_note
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.models import ExitRule, ExitSignal, ShadowPosition, SignalSource, Trade, TradeSignal

# The dashboard's sections are read in threads, which see only what is committed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

AT = OPENS + timedelta(minutes=5, seconds=10)
ALERTS, PORTFOLIO = "/api/market/alerts", "/api/portfolio"
#: Addresses by operation. The first holds every shape that the operation declares.
ADDRESSES: dict[str, tuple[str, ...]] = {
    "account_history": (f"{PORTFOLIO}/history", f"{PORTFOLIO}/history?resolution=day"),
    "accounts": (f"{PORTFOLIO}/accounts",),
    "alert_channels": (f"{ALERTS}/channels",),
    "alert_events": (f"{ALERTS}/events",),
    "alert_metrics": (f"{ALERTS}/metrics",),
    "alert_rule": (f"{ALERTS}/{{rule}}",),
    "alert_rules": (ALERTS,),
    "analytics_pnl": ("/api/analytics/pnl",),
    "analytics_returns": ("/api/analytics/returns",),
    "dashboard": ("/api/dashboard",),
    "executions": ("/api/executions", "/api/executions?kind=expiration"),
    "gex": ("/api/gex", "/api/gex?dealers=short_both", "/api/gex?date=2026-11-27"),
    "gex_history": ("/api/gex/history",),
    "market_chain": ("/api/market/chain",),
    "market_data": (
        "/market/data",
        "/market/data?resolution=5m",
        "/market/data?delta_min=0.2&delta_max=0.5",
        "/market/data?slug=empty",
        "/market/data?columns=closes",
        "/market/data?columns=closes&delta_min=0.2&delta_max=0.5",
    ),
    "market_gex": ("/api/market/gex",),
    "market_instruments": ("/api/market/instruments",),
    "monitoring": ("/api/monitoring",),
    "orders": (f"{PORTFOLIO}/orders",),
    "positions": ("/api/positions",),
    "portfolio": (f"{PORTFOLIO}/portfolios/{{portfolio}}",),
    "portfolio_queue": (f"{PORTFOLIO}/queue",),
    "portfolio_live": (f"{PORTFOLIO}/live",),
    "portfolio_days": (f"{PORTFOLIO}/portfolios/{{portfolio}}/days",),
    "portfolios": (f"{PORTFOLIO}/portfolios",),
    "portfolio_positions": (f"{PORTFOLIO}/positions",),
    "portfolio_state": (f"{PORTFOLIO}/state?at={AT:%Y-%m-%dT%H:%M:%SZ}",),
    "source_performance": ("/api/performance/sources",),
    "risk_monitor_fast": (
        f"{PORTFOLIO}/risk-monitor/fast",
        f"{PORTFOLIO}/risk-monitor/fast?account_id=NEW",
    ),
    "risk_report": (f"{PORTFOLIO}/risk", f"{PORTFOLIO}/risk?account_id=NEW"),
    "saved_scenario": (f"{PORTFOLIO}/scenarios/saved/{{scenario}}",),
    "saved_scenarios": (f"{PORTFOLIO}/scenarios/saved",),
    "scenario_grid": (
        f"{PORTFOLIO}/scenarios?cell=-20,10,5",
        f"{PORTFOLIO}/scenarios?account_id=NEW",
    ),
    "shadow_positions": ("/api/shadow-positions",),
    "queued_signals": ("/api/signals/queued",),
    "exit_signals": ("/api/exit-signals",),
    "sync_status": (f"{PORTFOLIO}/sync/{{failed}}", f"{PORTFOLIO}/sync/{{synced}}"),
    "newest_fills": ("/api/trades/newest",),
    "trade": ("/api/trades/{trade}",),
    "trade_life": ("/api/trades/{trade}/life",),
    "trade_notes": ("/api/trades/{trade}/notes",),
    "trade_payoff": ("/api/trades/{trade}/payoff",),
    "trade_statistics": ("/api/trades/statistics",),
    "trades": ("/api/trades",),
}

FOR_STAFF = {"monitoring"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A signed-in trader who has rows of every kind, and the ids that addresses name."""

    client: Client
    staff: Client
    ids: dict[str, Any]


@pytest.fixture
def desk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    settings.MARKET_CLOCK = AT.isoformat()
    with time_machine.travel(AT, tick=False):
        trader = UserFactory.create()
        client = Client()
        client.force_login(trader)
        instrument = polled_market(monkeypatch)
        staff = Client()
        staff.force_login(UserFactory.create(is_staff=True))
        measured()
        yield Desk(client, staff, alerts(trader, instrument) | synced_book(trader, monkeypatch))


def measured() -> None:
    """A call of each kind that the response monitor counts."""
    count(Kind.REQUEST, "GET api/orders", "429", 0.001)
    record_section("gex", "time_limit", 2.0)
    record_provider_call("upstox", "ok", 0.2)


def polled_market(monkeypatch: pytest.MonkeyPatch) -> PolledInstrument:
    """Four minutes of a chain and a gap, and an instrument without any."""
    slots = [OPENS + timedelta(minutes=minute, seconds=55) for minute in (0, 1, 3, 4)]
    provider = ScriptedProvider(lambda: slots[0], options={"without_greeks": 3})
    monkeypatch.setattr("greeks.polling.providers.open_chain_provider", lambda _: provider)
    polled_instrument(slug="empty", instrument_key="NSE_INDEX|Empty", position=1)
    instrument = polled_instrument()
    while slots:
        poll_chain(slug=instrument.slug, expiry=EXPIRY, slot=slots[0])
        del slots[0]
    roll_up_due(at=AT)
    take_snapshot(symbol=instrument.underlying)
    return instrument


def alerts(trader: User, instrument: PolledInstrument) -> dict[str, Any]:
    channel = AlertChannel.objects.create(user=trader, name="Hook", service="json", host="a.test")
    rule = AlertRule.objects.create(
        user=trader, instrument=instrument, metric="vega", comparison="above", threshold=1
    )
    rule.channels.add(channel)
    event = AlertEvent.objects.create(user=trader, rule=rule, minute=OPENS, value=2, title="Vega")
    AlertDelivery.objects.create(event=event, channel=channel, due_at=AT)
    return {"rule": rule.pk}


def synced_book(trader: User, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return an account as a broker's answers make it, and one that was never synced."""
    put = option(600, Right.PUT, expiry=AT.date() + timedelta(days=45))
    call = option(620, expiry=AT.date() + timedelta(days=3))
    # A currency without a rate: its leg is in no scenario.
    foreign = stock("SAP", currency="EUR")
    broker = FakeBroker(
        positions=[position(put, -2), position(call, 3), position(stock()), position(foreign)],
        orders=[order(contract=put)],
    )
    for module in (fetch, run):
        monkeypatch.setattr(module, "open_adapter", lambda _: FakeAdapter(broker))
    account = AccountFactory.create(owner=trader)
    AccountFactory.create(owner=trader, account_id="NEW", last_error_code="x", last_error="Lost.")
    store_closes("SPY", [0.01, -0.01] * 50)
    synced = run.sync_account(account_id=account.pk, trigger=SyncRun.Trigger.COMMAND)
    assert synced.outcome == SyncRun.Outcome.SUCCEEDED
    for account_id in (account.pk, "NEW"):
        compute_scenario_grid(account_id=account_id)
    filled = fill(account_number=account.account_number, execution_time=AT)
    record_rows(JournalRows(executions=Executions([filled])), broker=Broker.IBKR, source="ibkr")
    portfolio = Portfolio.objects.create(name="One", owner=trader)
    portfolio.accounts.add(account)
    recalculate([portfolio.pk])
    trade = Trade.objects.get()
    add_note(user=trader, trade=trade, text="Noted.")
    closed = [
        fill(
            account_number="NEW",
            contract=stock(symbol, currency=currency),
            side=side,
            execution_time=AT - timedelta(days=days),
            broker_execution_id=f"0000bbbb.67{currency}{days}.01.01",
        )
        for symbol, currency in (("KO", "USD"), ("SAP", "EUR"))
        for side, days in ((Side.BUY, 3), (Side.SELL, 2))
    ]
    record_rows(JournalRows(executions=Executions(closed)), broker=Broker.IBKR, source="ibkr")
    signalled(trader, account)
    shifts = [{"underlying": "*", "spot": -20.0, "vol": 15.0}]
    return {
        "trade": trade.key,
        "synced": synced.pk,
        "portfolio": portfolio.pk,
        "failed": SyncRun.objects.create(
            account=account, requested_at=AT, error_code="x", error="Lost."
        ).pk,
        "scenario": Scenario.objects.create(owner=trader, name="Crash", shifts=shifts).pk,
    }


def signalled(trader: User, account: Account) -> None:
    """A signal that waits, held on paper, an exit rule that fired, and two days of balances."""
    signal = TradeSignal.objects.create(
        source=SignalSource.objects.create(owner=trader, name="Screener"),
        account=account, symbol="KO", underlying="KO", direction="long", created_at=AT,
    )  # fmt: skip
    ShadowPosition.objects.create(
        signal=signal, instrument=account.positions.all()[0].instrument, quantity=1,
        status=ShadowPosition.Status.OPEN, entry_price=1, price=2, pnl=1, opened_at=AT,
    )  # fmt: skip
    rule = ExitRule.objects.create(owner=trader, name="Half", kind="profit_target", threshold=50)
    ExitSignal.objects.create(
        rule=rule, opening=Trade.objects.all()[0].opening, account=account, underlying="KO",
        status=ExitSignal.Status.ACTIVE, value=51, fired_at=AT,
    )  # fmt: skip
    for days, balance in ((9, 100_000), (8, 101_000)):
        AccountDay.objects.create(
            account=account, session_date=AT.date() - timedelta(days=days),
            net_liquidation=balance, source="ibkr", as_of=AT - timedelta(days=days),
        )  # fmt: skip


@pytest.fixture(scope="module")
def documented() -> dict[str, list[str]]:
    """Return the names of its shapes by operation, as the OpenAPI document says."""
    document = SchemaGenerator().get_schema(public=True)
    gets = [each["get"] for each in document["paths"].values() if "get" in each]
    answers = {each["operationId"]: each["responses"]["200"]["content"] for each in gets}
    schemas = document["components"]["schemas"]
    found = {}
    for operation, content in answers.items():
        schema = content["application/json"]["schema"]
        # A list of a shape, or a shape.
        name = schema.get("items", schema)["$ref"].rpartition("/")[2]
        several = schemas[name].get("oneOf", [{"$ref": name}])
        found[operation] = [each["$ref"].rpartition("/")[2] for each in several]
    return found


def shapes_below(shape: type[Shape] = Shape) -> Iterator[type[Shape]]:
    for each in shape.__subclasses__():
        yield each
        yield from shapes_below(each)


def names_held(value: Any) -> set[str]:
    """Return the names of all shapes that a read body is made of."""
    if isinstance(value, Shape):
        below = (names_held(getattr(value, name)) for name in value.__struct_fields__)
        return {type(value).__name__}.union(*below)
    if isinstance(value, list):
        return set().union(*map(names_held, value))
    if isinstance(value, dict):
        return names_held(list(value.values()))
    return set()


def test_every_documented_get_is_asked_here(documented: dict[str, list[str]]) -> None:
    assert ADDRESSES.keys() == documented.keys()


def test_every_body_has_exactly_the_declared_shape(
    desk: Desk, documented: dict[str, list[str]], subtests: pytest.Subtests
) -> None:
    """One desk for all: reading changes none of them."""
    for operation, addresses in ADDRESSES.items():
        with subtests.test(operation):
            # Of two shapes, the second is that of chosen columns.
            for slim, name in enumerate(documented[operation]):
                (shape,) = (each for each in shapes_below() if each.__name__ == name)
                bodies = []
                for address in (each for each in addresses if bool(slim) is ("columns=" in each)):
                    client = desk.staff if operation in FOR_STAFF else desk.client
                    answer = client.get(address.format(**desk.ids))
                    assert answer.status_code == 200, answer.content
                    of_list = answer.content.startswith(b"[")
                    kind: Any = list[shape] if of_list else shape  # type: ignore[valid-type]
                    bodies.append(msgspec.json.decode(answer.content, type=kind, strict=True))
                _, declared = msgspec.json.schema_components([shape])
                held = set().union(*map(names_held, bodies)) if slim else names_held(bodies[0])
                assert held == declared.keys()
