"""Exit signals: once for a trade and rule, told once, executed when the trade closes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from config.core.errors import Conflict, InvalidInput, NotFound
from greeks.models import (
    AlertChannel,
    AlertEvent,
    ContractGreekHistory,
    ContractGreeks,
    Dividend,
    Instrument,
)
from portfolio.models import Account, PriceBar, Quote
from tests.factories import AccountFactory, PositionFactory, UserFactory
from tests.trades.strategies.test_store import AT, CONTRACTS, fill, record
from trades.annotations.writing import merge_trades
from trades.models import ExitRule, ExitSignal, Trade, TradePeak, TradeTag
from trades.strategies.store import rebuild_account_trades
from trades.trade_signals.dashboard.sections import exit_signals
from trades.trade_signals.exits.dry_run import dry_run
from trades.trade_signals.exits.evaluation import follow_exits
from trades.trade_signals.exits.writing import RuleValues, remove_rule, save_rule

pytestmark = pytest.mark.django_db
PUT, LOW, CALL, STOCK, NEW = CONTRACTS
FREE = {"commission": Decimal(0)}


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


@pytest.fixture
def short_put(account: Account) -> Trade:
    """Two puts of 90, sold at 3."""
    record(fill(1, -2, order_id="a", price=Decimal(3), **FREE))
    return Trade.objects.get()


def rule(account: Account, kind: str, threshold: float, **values: Any) -> ExitRule:
    named = {"name": kind} | values
    wanted = RuleValues(kind=kind, threshold=threshold, **named)
    return save_rule(user=account.owner, values=wanted)


def mark(minute: int, price: str, *, delta: float = -0.3, spot: str = "100") -> datetime:
    """Store what the put is worth."""
    at = AT + timedelta(minutes=minute)
    row = Instrument.objects.get(symbol=PUT.symbol)
    amount = Decimal(price)
    Quote.objects.update_or_create(
        instrument=row,
        defaults={"symbol": row.symbol, "price": amount, "bid": amount, "ask": amount,
                  "source": "ibkr", "as_of": at},
    )  # fmt: skip
    ContractGreeks.objects.update_or_create(
        instrument=row,
        defaults={"delta_raw": delta, "underlying_price": Decimal(spot), "source": "ibkr",
                  "as_of": at, "updated_at": at},
    )  # fmt: skip
    return at


def follow(at: datetime) -> list[str]:
    with time_machine.travel(at, tick=False):
        follow_exits()
    return list(ExitSignal.objects.order_by("pk").values_list("status", flat=True))


def test_target_fires_once_recedes_by_its_band_and_is_executed_at_the_close(
    account: Account, short_put: Trade
) -> None:
    target = rule(account, "profit_target", 50, band=10)
    assert follow(mark(2, "2")) == []
    assert follow(mark(3, "1.5")) == ["active"]
    assert follow(mark(4, "1.75")) == ["active"]
    assert follow(mark(5, "2")) == ["receded"]
    assert follow(mark(6, "1.4")) == ["active"]
    found = ExitSignal.objects.get()
    assert (found.value, found.fired_at) == (50.0, AT + timedelta(minutes=3))
    (event,) = AlertEvent.objects.all()
    assert (event.user, event.kind) == (account.owner, "trade")
    assert "XYZ" in event.title
    held = PositionFactory.create(
        account=account, instrument=Instrument.objects.get(symbol=PUT.symbol)
    )
    (body,) = exit_signals(account.owner)
    assert (body.position_id, body.signal_type, body.status) == (
        str(held.pk), "profit_target", "active",
    )  # fmt: skip
    assert body.timestamp == found.fired_at
    assert exit_signals(UserFactory.create()) == []
    record(fill(10, 2, order_id="b", price=Decimal("1.4"), **FREE))
    assert follow(AT + timedelta(minutes=11)) == ["executed"]
    found.refresh_from_db()
    assert found.executed_at == AT + timedelta(minutes=10)
    with time_machine.travel(AT + timedelta(minutes=12), tick=False):
        assert [each.status for each in exit_signals(account.owner)] == ["executed"]
    assert remove_rule(user=account.owner, rule_id=target.pk) == "profit_target"


def test_many_rules_met_at_once_are_told_as_one_and_listed_each(
    account: Account, short_put: Trade
) -> None:
    channel = AlertChannel.objects.create(user=account.owner, name="Phone")
    for threshold in (10, 20, 30, 40):
        rule(account, "profit_target", threshold, name=f"{threshold} %")
    follow(mark(3, "1.5"))
    told, *listed = AlertEvent.objects.all()
    assert (told.title, told.read_at) == ("Exit rules met 4 times", None)
    assert told.text == "10 %: 1; 20 %: 1; 30 %: 1; 40 %: 1"
    assert len(listed) == 4
    assert all(each.read_at is not None for each in listed)
    assert list(channel.deliveries.values_list("event", flat=True)) == [told.pk]


def test_signal_outlives_rebuild_and_merge_and_does_not_fire_again(
    account: Account, short_put: Trade
) -> None:
    rule(account, "profit_target", 50)
    follow(mark(3, "1.5"))
    rebuild_account_trades(account)
    record(fill(3000, -1, order_id="c", contract=LOW, price=Decimal(2), **FREE))
    first, second = Trade.objects.order_by("opened_at")
    merge_trades(user=account.owner, trades=[first, second])
    assert follow(mark(3001, "1.2")) == ["active"]
    assert AlertEvent.objects.count() == 1


def test_signal_recedes_when_older_history_shows_that_its_fill_closed(
    account: Account, short_put: Trade
) -> None:
    rule(account, "profit_target", 50)
    assert follow(mark(3, "1.5")) == ["active"]
    record(fill(-9, 2, order_id="b", broker_execution_id="aaaa.01.01", **FREE))
    assert follow(mark(4, "1.5")) == ["receded"]


@pytest.mark.parametrize(
    ("kind", "threshold", "marked", "fires"),
    [
        ("stop_loss", 100, {"price": "6"}, True),
        ("stop_loss", 100, {"price": "5.9"}, False),
        ("delta_breach", 0.4, {"price": "3", "delta": -0.41}, True),
        ("delta_breach", 0.4, {"price": "3", "delta": -0.39}, False),
        ("days_to_expiry", 11, {"price": "3"}, True),
        ("days_to_expiry", 10, {"price": "3"}, False),
        ("assignment_risk", 0.1, {"price": "5.05", "spot": "85"}, True),
        ("assignment_risk", 0.1, {"price": "5.5", "spot": "85"}, False),
        ("assignment_risk", 0.1, {"price": "0.05", "spot": "95"}, False),
        ("time_of_day", 600, {"price": "3"}, False),
    ],
)
def test_rule_reads_stored_quotes_and_greeks(
    account: Account,
    short_put: Trade,
    kind: str,
    threshold: float,
    marked: dict[str, Any],
    fires: bool,
) -> None:
    rule(account, kind, threshold)
    assert bool(follow(mark(3, **marked))) is fires


def test_coming_dividend_makes_a_short_call_likely_to_be_exercised(account: Account) -> None:
    record(fill(1, -1, order_id="a", contract=CALL, price=Decimal(3), **FREE))
    rule(account, "assignment_risk", 0)
    at = AT + timedelta(minutes=5)
    row = Instrument.objects.get(symbol=CALL.symbol)
    price = Decimal("5.4")
    Quote.objects.create(
        instrument=row, symbol=row.symbol, price=price, bid=price, ask=price, source="x", as_of=at
    )
    ContractGreeks.objects.create(
        instrument=row, underlying_price=Decimal(115), source="x", as_of=at, updated_at=at
    )
    assert follow(at) == []
    Dividend.objects.create(
        underlying="XYZ", currency="USD", ex_date=(AT + timedelta(days=1)).date(),
        amount=Decimal("0.5"), source="set", as_of=AT,
    )  # fmt: skip
    assert follow(at) == ["active"]


def test_trailing_stop_follows_the_best_profit_over_restarts(
    account: Account, short_put: Trade
) -> None:
    rule(account, "trailing", 50)
    assert follow(mark(2, "1")) == []
    assert TradePeak.objects.get().best == 400
    assert follow(mark(3, "1.9")) == []
    assert follow(mark(4, "2")) == ["active"]


def test_missing_or_old_mark_is_no_number(account: Account, short_put: Trade) -> None:
    rule(account, "stop_loss", 1)
    rule(account, "delta_breach", 0.01)
    assert follow(AT + timedelta(minutes=2)) == []
    mark(3, "9", delta=-0.9)
    assert follow(AT + timedelta(hours=3)) == []


def test_rule_applies_to_its_account_strategy_and_tag_only(
    account: Account, short_put: Trade
) -> None:
    at = mark(3, "1")
    rule(account, "days_to_expiry", 100, tag="income")
    rule(account, "profit_target", 1, strategy="vertical")
    other = AccountFactory.create(owner=account.owner)
    rule(account, "trailing", 1, account_id=other.pk)
    stranger = AccountFactory.create()
    rule(stranger, "profit_target", 1)
    assert follow(at) == []
    TradeTag.objects.create(opening_id=short_put.key, name="income")
    assert follow(at) == ["active"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"kind": "hope"}, "kind"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"band": -1}, "band"),
        ({"strategy": "luck"}, "strategy"),
        ({"tag": "a/b?"}, "tags"),
    ],
)  # fmt: skip
def test_impossible_rule_is_refused_by_field(
    account: Account, changed: dict[str, Any], field: str
) -> None:
    values: dict[str, Any] = {"name": "Target", "kind": "profit_target", "threshold": 50.0}
    values |= changed
    with pytest.raises(InvalidInput) as caught:
        save_rule(user=account.owner, values=RuleValues(**values))
    assert field in caught.value.fields
    assert not ExitRule.objects.exists()


def test_rule_is_private_unique_by_name_and_keeps_its_history(account: Account) -> None:
    made = rule(account, "profit_target", 50)
    with pytest.raises(Conflict):
        rule(account, "profit_target", 60)
    values = RuleValues(name="Earlier", kind="profit_target", threshold=40)
    with pytest.raises(NotFound):
        save_rule(user=UserFactory.create(), values=values, rule_id=made.pk)
    save_rule(user=account.owner, values=values, rule_id=made.pk)
    assert list(made.history.values_list("threshold", flat=True)) == [40.0, 50.0]


def test_dry_run_tells_when_a_rule_would_have_fired(account: Account, short_put: Trade) -> None:
    record(fill(200, 2, order_id="b", price=Decimal("2.5"), **FREE))
    row = Instrument.objects.get(symbol=PUT.symbol)
    for minute, price in ((15, "2"), (30, "1.4"), (37, "0.1"), (45, "1"), (60, "2.5")):
        at = AT + timedelta(minutes=minute)
        bar = dict.fromkeys(("open", "high", "low", "close"), Decimal(price))
        PriceBar.objects.create(instrument=row, minute=at, as_of=at, source="ibkr", **bar)
        ContractGreekHistory.objects.create(
            instrument=row, minute=at, as_of=at, source="ibkr", delta_raw=-float(price) / 10
        )
    target = rule(account, "profit_target", 50)
    trailing = rule(account, "trailing", 60)
    breach = rule(account, "delta_breach", 0.24)
    never = rule(account, "stop_loss", 50)
    with time_machine.travel(AT + timedelta(days=1), tick=False):
        found = [dry_run(each, accounts=["U1"]) for each in (target, trailing, breach, never)]
        assert dry_run(target, accounts=["U2"]).outcomes == []
    fired = [
        (each.fired_at and (each.fired_at - AT) // timedelta(minutes=1), each.profit)
        for run in found
        for each in run.outcomes
    ]
    assert fired == [(30, 320.0), (60, 100.0), (60, 100.0), (None, None)]
    assert found[0].gains == {"USD": 220.0}
    assert [run.unseen for run in found] == [0, 0, 0, 0]
    assert not ExitSignal.objects.exists()


def test_page_makes_tries_changes_and_removes_rules(
    account: Account, short_put: Trade, client: Client
) -> None:
    client.force_login(account.owner)
    typed = {"name": "Close late", "kind": "time_of_day", "threshold": "15:45", "enabled": "on"}
    tried = client.post("/trades/signals/rules/change", typed | {"action": "try"})
    assert tried.context["tried"].outcomes == []
    assert not ExitRule.objects.exists()
    refused = client.post(
        "/trades/signals/rules/change", typed | {"action": "save", "threshold": "4 pm"}
    )
    assert refused.status_code == 400
    assert refused.context["typed"]["name"] == "Close late"
    client.post("/trades/signals/rules/change", typed | {"action": "save"})
    made = ExitRule.objects.get()
    assert (made.threshold, made.enabled) == (945, True)
    page = client.get(f"/trades/signals/rules?edit={made.pk}")
    assert page.context["typed"]["threshold"] == "15:45"
    rule(account, "profit_target", 50)
    follow(mark(3, "1.5"))
    (row,) = client.get("/trades/signals/rules").context["rows"]
    assert (row.trade, row.words) == (short_put, "50 %")
    gone = {"action": "remove", "rule": made.pk}
    stranger = Client()
    stranger.force_login(UserFactory.create())
    assert stranger.post("/trades/signals/rules/change", gone).status_code == 404
    client.post("/trades/signals/rules/change", gone)
    assert ExitRule.objects.count() == 1
