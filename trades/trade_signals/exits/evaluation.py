"""Check the exit rules on open trades. Each fires once for a trade; safe to repeat."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from django.db import transaction

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.upsert import upsert
from greeks.alerts.events import raise_user_alerts
from portfolio.accounts.access import accounts_visible_to
from trades.models import ExitRule, ExitSignal, Trade, TradePeak
from trades.trade_signals.announcing import tell_after_commit
from trades.trade_signals.exits.rules import KINDS, TradeNow, number_words
from trades.trade_signals.exits.states import (
    OpenTrade,
    applies,
    tags_of_trades,
    trades_now,
    with_lots,
)
from trades.trade_signals.listing import trades_opened_by

Status = ExitSignal.Status
_FOLLOWED: Final = (Status.ACTIVE, Status.RECEDED)


def follow_exits() -> int:
    """Evaluate every rule on the open trades it applies to; return how many signals changed."""
    changed = mark_executed()
    rules: dict[int, list[ExitRule]] = defaultdict(list)
    enabled = ExitRule.objects.filter(enabled=True, owner__is_active=True)
    for rule in enabled.select_related("owner"):
        rules[rule.owner_id].append(rule)
    visible = {
        owner_id: set(accounts_visible_to(found[0].owner).values_list("pk", flat=True))
        for owner_id, found in rules.items()
    }
    at = market_now()
    accounts = set().union(*visible.values())
    trades = with_lots(Trade.objects.filter(account__in=accounts, status=Trade.Status.OPEN))
    states = trades_now(trades, at=at)
    _keep_peaks(states)
    tags = tags_of_trades(trades)
    for owner_id, own in rules.items():
        seen = {
            key: each for key, each in trades.items() if each.trade.account_id in visible[owner_id]
        }
        changed += _evaluate(own, seen, states, tags)
    return changed


@transaction.atomic
def mark_executed() -> int:
    """Mark the active signals of trades that are not open any more; return how many.

    One whose fill opens no trade any more, as older history showed, recedes: there was no trade.
    """
    signals = ExitSignal.objects.select_for_update(of=("self",)).filter(status=Status.ACTIVE)
    rows = list(signals.select_related("rule").order_by("pk"))
    if not rows:
        return 0
    trades = trades_opened_by({row.opening_id for row in rows})
    # One that had receded did not lead to the close.
    changed = [
        row
        for row in rows
        if row.opening_id not in trades or trades[row.opening_id].status != Trade.Status.OPEN
    ]
    for row in changed:
        trade = trades.get(row.opening_id)
        row.status = Status.EXECUTED if trade else Status.RECEDED
        row.executed_at = trade.closed_at if trade else None
    ExitSignal.objects.bulk_update(changed, ["status", "executed_at"], batch_size=500)
    tell_after_commit(row.rule.owner_id for row in changed)
    return len(changed)


@transaction.atomic
def _evaluate(
    rules: Sequence[ExitRule],
    trades: Mapping[int, OpenTrade],
    states: Mapping[int, TradeNow],
    tags: Mapping[int, set[str]],
) -> int:
    # Only one evaluation at a time for each user.
    User.objects.select_for_update().get(pk=rules[0].owner_id)
    home = {key: trade for trade, each in trades.items() for key in each.keys}
    known: dict[tuple[int, int], ExitSignal] = {}
    for stored in ExitSignal.objects.filter(rule__in=list(rules), opening__in=list(home)):
        known[stored.rule_id, home[stored.opening_id]] = stored
    new: list[ExitSignal] = []
    moved: list[ExitSignal] = []
    at = market_now()
    for rule in rules:
        for key, each in trades.items():
            if not applies(rule, each.trade, tags.get(key, set())):
                continue
            row = known.get((rule.pk, key))
            active = KINDS[rule.kind].is_active(
                states[key],
                threshold=rule.threshold,
                band=rule.band,
                was_active=row is not None and row.status == Status.ACTIVE,
            )
            if active is None or (row is not None and row.status not in _FOLLOWED):
                continue
            if row is None and active:
                value = KINDS[rule.kind].number(states[key])
                new.append(
                    ExitSignal(
                        rule=rule,
                        opening_id=key,
                        account_id=each.trade.account_id,
                        underlying=each.trade.underlying,
                        status=Status.ACTIVE,
                        value=value or 0.0,
                        fired_at=at,
                    )
                )
            elif row is not None and active != (row.status == Status.ACTIVE):
                row.status = Status.ACTIVE if active else Status.RECEDED
                moved.append(row)
    ExitSignal.objects.bulk_create(new)
    ExitSignal.objects.bulk_update(moved, ["status"], batch_size=500)
    _alert(new, trades)
    if new or moved:
        tell_after_commit([rules[0].owner_id])
    return len(new) + len(moved)


def _alert(signals: Sequence[ExitSignal], trades: Mapping[int, OpenTrade]) -> None:
    """Tell the owner of the rules, once, through all their channels; many of them as one."""
    notices = []
    for signal in signals:
        trade = trades[signal.opening_id].trade
        rule = signal.rule
        now, says = (number_words(rule.kind, each) for each in (signal.value, rule.threshold))
        title = f"{rule.name}: {trade.underlying} {trade.name}"
        kind = rule.get_kind_display()
        notices.append((title, f"{kind} at {now} in {trade.account_id}; the rule: {says}."))
    if signals:
        met = Counter(signal.rule.name for signal in signals)
        raise_user_alerts(
            user_id=signals[0].rule.owner_id,
            notices=notices,
            together=(
                f"Exit rules met {len(signals)} times",
                "; ".join(f"{name}: {count}" for name, count in met.most_common()),
            ),
        )


def _keep_peaks(states: Mapping[int, TradeNow]) -> None:
    at = market_now()
    rows = [
        (key, Decimal(str(round(state.best, 2))), at)
        for key, state in states.items()
        if state.best is not None and state.best == state.profit
    ]
    upsert(TradePeak, ("opening_id", "best", "at"), rows, unique=("opening_id",))
