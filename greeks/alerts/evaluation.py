"""Evaluate every rule of a chain when a minute closes.

Rows are read once for all rules; state, events and messages to send are committed together. The
rules' rows are locked meanwhile and an event is unique by rule and minute, so an evaluation that
runs twice, or in two workers, raises each alert once. The next evaluation makes up for a lost one,
back to ``CATCH_UP``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Q

from config.core.clock import market_now, now
from greeks.alerts import wording
from greeks.alerts.crossing import Firing, Threshold, Watch, firings
from greeks.alerts.events import tell_of
from greeks.alerts.metrics import (
    VALUE,
    ChainMinutes,
    DeltaRange,
    measured,
    registered_metrics,
)
from greeks.alerts.minutes import MINUTE, chain_minutes, snapshot_of
from greeks.chains import Floats
from greeks.gex.levels import DISTANCES, level_distances
from greeks.minutes.clock import opening_minute
from greeks.models import AlertDelivery, AlertEvent, AlertRule, PolledInstrument
from greeks.polling.instruments import polled_expiries
from greeks.polling.sessions import session_on_date

#: Minutes that closed longer ago raise no alerts.
CATCH_UP = timedelta(minutes=15)
_A_DAY = timedelta(days=1)
# The first minute's second difference needs two minutes before it; a crossing needs a third.
_MINUTES_READ = CATCH_UP // MINUTE + 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How many rules were evaluated, and the events raised."""

    rules: int = 0
    events: tuple[AlertEvent, ...] = ()


def evaluate_alerts(*, slug: str, expiry: date, minute: datetime) -> Evaluation:
    """Evaluate all rules of a chain on the minutes up to ``minute``; safe to repeat.

    A minute without samples changes nothing. Rules of inactive users are skipped.
    """
    if market_now() - minute > CATCH_UP:
        return Evaluation()
    instrument = PolledInstrument.objects.filter(slug=slug).first()
    if instrument is None:
        return Evaluation()
    follows = Q(expiry=expiry)
    if expiry == min(polled_expiries(instrument, minute), default=None):
        follows |= Q(expiry__isnull=True)
    with transaction.atomic():
        rules = list(
            AlertRule.objects.select_for_update(of=("self",))
            .filter(follows, instrument=instrument, enabled=True, user__is_active=True)
            .select_related("instrument")
            .prefetch_related("channels")
        )
        raised = _evaluate(rules, instrument, expiry, minute) if rules else []
        events = _write(raised, expiry)
    return Evaluation(rules=len(rules), events=tuple(events))


@dataclass(slots=True)
class _Outcome:
    rule: AlertRule
    changed: bool
    firings: list[Firing]


def _evaluate(
    rules: Sequence[AlertRule], instrument: PolledInstrument, expiry: date, minute: datetime
) -> list[_Outcome]:
    snapshot = snapshot_of(instrument.instrument_key, expiry, minute)
    if snapshot is None:
        return []
    session = session_on_date(instrument, snapshot.session_date)
    metrics = registered_metrics()
    known = [(rule, metrics[rule.metric]) for rule in rules if rule.metric in metrics]
    columns = {name for rule, metric in known for name in metric.columns[rule.side]}
    distances = columns.intersection(DISTANCES)
    minutes = chain_minutes(
        snapshot,
        # On a day that has left the calendar, any stored minute may be the opening.
        opening=snapshot.minute - _A_DAY if session is None else opening_minute(session),
        count=_MINUTES_READ,
        columns=(columns - distances) | ({"spot"} if distances else set()),
        with_buckets=any(rule.delta_min is not None for rule in rules),
        with_held_changes=any(
            rule.delta_min is not None and rule.measure != VALUE for rule in rules
        ),
    )
    if distances:
        minutes = _with_distances(minutes, instrument)
    read: dict[tuple[str, str, str, DeltaRange], Floats] = {}
    outcomes = []
    for rule, metric in known:
        asked = (rule.metric, rule.side, rule.measure, delta_range_of(rule))
        if asked not in read:
            read[asked] = measured(
                metric, rule.measure, minutes, side=rule.side, delta_range=delta_range_of(rule)
            )
        outcomes.append(_advance(rule, minutes, read[asked]))
    return [outcome for outcome in outcomes if outcome.changed]


def _with_distances(minutes: ChainMinutes, instrument: PolledInstrument) -> ChainMinutes:
    """Add how far the spot is from the levels of gamma exposure; the base minute has none."""
    symbol = instrument.underlying.upper()
    found = level_distances(symbol, minutes.minutes, minutes.columns["spot"][1:])
    added = {name: np.concatenate([[np.nan], column]) for name, column in found.items()}
    return replace(minutes, columns={**minutes.columns, **added})


def delta_range_of(rule: AlertRule) -> DeltaRange:
    if rule.delta_min is None or rule.delta_max is None:
        return None
    return rule.delta_min, rule.delta_max


def _advance(rule: AlertRule, minutes: ChainMinutes, values: Floats) -> _Outcome:
    """Run the rule over the minutes it has not seen and update its state."""
    # Another expiry is another series: the old state does not apply.
    same = rule.state_expiry in (None, minutes.expiry)
    watch = Watch(state=rule.state if same else "", last_fired=rule.last_event_minute)
    threshold = Threshold(
        comparison=rule.comparison,
        level=rule.threshold,
        band=rule.band,
        cooldown=timedelta(minutes=rule.cooldown_minutes),
    )
    earliest = minutes.minutes[-1] - CATCH_UP
    unseen = [
        (at, float(value))
        for at, value in zip(minutes.minutes, values, strict=True)
        if at > earliest and (rule.evaluated_until is None or at > rule.evaluated_until)
    ]
    outcome = _Outcome(rule, changed=False, firings=[])
    for (at, _), step in zip(unseen, firings(threshold, watch, unseen), strict=True):
        if isinstance(step, Firing):
            outcome.firings.append(step)
            step = step.watch
        if step != watch:
            watch, outcome.changed = step, True
            rule.evaluated_until = at
    rule.state, rule.last_event_minute = watch.state, watch.last_fired
    rule.state_expiry = minutes.expiry
    return outcome


def _write(outcomes: Sequence[_Outcome], expiry: date) -> list[AlertEvent]:
    """Store states, events and messages. A rule whose state did not change costs no write."""
    if not outcomes:
        return []
    AlertRule.objects.bulk_update(
        [outcome.rule for outcome in outcomes],
        ["state", "state_expiry", "evaluated_until", "last_event_minute"],
    )
    fired = [(each.rule, firing) for each in outcomes for firing in each.firings]
    events = AlertEvent.objects.bulk_create(_event(rule, firing, expiry) for rule, firing in fired)
    deliveries = AlertDelivery.objects.bulk_create(
        AlertDelivery(event=event, channel=channel, due_at=now())
        for event, (rule, _) in zip(events, fired, strict=True)
        for channel in rule.channels.all()
        if channel.enabled
    )
    tell_of(events, deliveries)
    return events


def _event(rule: AlertRule, firing: Firing, expiry: date) -> AlertEvent:
    return AlertEvent(
        user_id=rule.user_id,
        rule=rule,
        minute=firing.minute,
        value=firing.value,
        threshold=rule.threshold,
        title=wording.event_title(rule),
        text=wording.event_text(
            rule,
            minute=firing.minute,
            value=firing.value,
            expiry_words=wording.expiry_words(expiry),
        ),
    )
