"""Rules on stored minutes: what fires, once, in a bounded number of queries."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from greeks.alerts.crossing import Firing, Threshold, Watch, firings
from greeks.alerts.evaluation import Evaluation, evaluate_alerts
from greeks.models import AlertChannel, AlertDelivery, AlertEvent, AlertRule
from tests.factories import UserFactory
from tests.greeks.alerts.rows import (
    EXPIRY,
    MINUTE,
    NEXT_EXPIRY,
    buckets,
    make_rule,
    minute,
    nifty,
    store_minute,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def close(index: int, value: float | None, *, expiry: date = EXPIRY, **fields: Any) -> Evaluation:
    """Store a minute and evaluate, as it happens: a moment after it has ended."""
    store_minute(index, value, expiry=expiry, **fields)
    with time_machine.travel(minute(index + 1), tick=False):
        return evaluate_alerts(slug="nifty", expiry=expiry, minute=minute(index))


def fired(rule: AlertRule) -> list[int]:
    """Return the minutes of the rule's events, counted from the opening."""
    minutes = AlertEvent.objects.filter(rule=rule).values_list("minute", flat=True)
    return sorted((at - minute(0)) // MINUTE for at in minutes)


def test_rule_fires_in_the_minute_that_crosses_and_again_after_coming_back(trader: User) -> None:
    rule = make_rule(trader)
    for index, value in enumerate([99, 101, 102, 99, 103]):
        close(index, value)
    assert fired(rule) == [1, 4]
    event = AlertEvent.objects.filter(rule=rule).latest("minute")
    assert (event.value, event.threshold, event.user_id) == (103.0, 100.0, trader.pk)
    assert event.title == "NIFTY 50: Spot above 100.00"
    assert event.text == "103.00 in the minute 09:19 IST of 27 Nov 2026, expiry 1 Dec 26."


def test_evaluating_a_minute_twice_raises_nothing_more(trader: User) -> None:
    rule = make_rule(trader, comparison="crosses")
    for index, value in enumerate([99, 101]):
        close(index, value)
    assert close(1, 101.0).events == ()
    assert fired(rule) == [1]


def test_gap_minute_evaluates_nothing_and_keeps_what_is_known(trader: User) -> None:
    rule = make_rule(trader, comparison="crosses")
    for index, value in enumerate([99, None, None, 101]):
        close(index, value)
    assert fired(rule) == [3]


def test_change_over_a_gap_is_missing_not_a_jump(trader: User) -> None:
    rule = make_rule(trader, measure="change", threshold=5.0)
    for index, value in enumerate([100, None, 120, 121, 130]):
        close(index, value)
    assert fired(rule) == [4]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("value", [4]), ("change", [4]), ("from_open", [4]), ("second_difference", [3])],
)
def test_each_measure_is_of_the_stored_rows(
    trader: User, measure: str, expected: list[int]
) -> None:
    thresholds = {"value": 115, "change": 8, "from_open": 15, "second_difference": 4}
    rule = make_rule(trader, measure=measure, threshold=thresholds[measure])
    # Changes 1, 1, 6, 9: second differences 0, 5, 3.
    for index, value in enumerate([100, 101, 102, 108, 117]):
        close(index, value)
    assert fired(rule) == expected


def test_delta_range_sums_the_buckets_in_it(trader: User) -> None:
    whole = make_rule(trader, metric="vega", side="total", threshold=90.0)
    part = make_rule(
        trader, metric="vega", side="total", threshold=35.0, delta_min=0.05, delta_max=0.10
    )
    empty = make_rule(
        trader, metric="vega", side="call", comparison="below", threshold=1.0,
        delta_min=0.5, delta_max=1.0,
    )  # fmt: skip
    close(0, 80.0, delta_buckets=buckets([10, 20], [5, 14]))
    close(1, 95.0, delta_buckets=buckets([10, 20], [5, 16]))
    assert (fired(whole), fired(part), fired(empty)) == ([1], [1], [])
    event = AlertEvent.objects.get(rule=part)
    assert event.value == 36.0
    assert event.title == "NIFTY 50: Total vega, |Δ| 0.05–0.10 above 35.00"


def test_open_interest_of_both_sides_is_their_sum(trader: User) -> None:
    rule = make_rule(trader, metric="open_interest", side="total", threshold=900.0)
    close(0, 1.0, call_open_interest=400.0, put_open_interest=450.0)
    close(1, 1.0, call_open_interest=480.0, put_open_interest=450.0)
    close(2, 1.0, call_open_interest=None, put_open_interest=2000.0)
    assert fired(rule) == [1]


def test_rule_without_expiry_follows_the_nearest_and_begins_anew_with_it(trader: User) -> None:
    nearest = make_rule(trader)
    fixed = make_rule(trader, expiry=NEXT_EXPIRY)
    close(0, 101.0)
    close(0, 101.0, expiry=NEXT_EXPIRY)
    assert (fired(nearest), fired(fixed)) == ([0], [0])
    nifty(listed_expiries=[{"expiry": NEXT_EXPIRY.isoformat()}])
    close(1, 102.0, expiry=NEXT_EXPIRY)
    assert (fired(nearest), fired(fixed)) == ([0, 1], [0])


def test_evaluation_that_was_lost_is_made_up_by_the_next(trader: User) -> None:
    rule = make_rule(trader)
    close(0, 99.0)
    store_minute(1, 101.0)
    store_minute(2, 99.0)
    close(3, 99.0)
    assert fired(rule) == [1]


def test_minute_of_long_ago_raises_nothing(trader: User) -> None:
    rule = make_rule(trader)
    store_minute(0, 101.0)
    with time_machine.travel(minute(40), tick=False):
        evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(0))
    assert fired(rule) == []


def test_late_minute_after_newer_ones_repeats_nothing(trader: User) -> None:
    rule = make_rule(trader, comparison="crosses")
    for index, value in enumerate([99, 101, 99]):
        close(index, value)
    with time_machine.travel(minute(4), tick=False):
        evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(1))
    assert fired(rule) == [1, 2]


def test_disabled_rules_and_those_of_inactive_people_are_left_alone(trader: User) -> None:
    make_rule(trader, enabled=False)
    make_rule(UserFactory.create(is_active=False))
    assert close(0, 101.0) == Evaluation()


def test_unknown_chain_and_minute_that_is_not_stored_raise_nothing(trader: User) -> None:
    make_rule(trader)
    with time_machine.travel(minute(1), tick=False):
        assert evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(0)).events == ()
        assert evaluate_alerts(slug="other", expiry=EXPIRY, minute=minute(0)).rules == 0


def test_enabled_channels_of_the_rule_get_a_message_each(trader: User) -> None:
    on, off, other = (
        AlertChannel.objects.create(
            user=trader, name=name, service="Webhook", address_encrypted="", enabled=enabled
        )
        for name, enabled in (("on", True), ("off", False), ("other", True))
    )
    make_rule(trader).channels.set([on, off])
    make_rule(trader, metric="pcr").channels.set([on, other])
    close(0, 101.0)
    waiting = AlertDelivery.objects.values_list("channel__name", "state")
    assert sorted(waiting) == [("on", "waiting"), ("on", "waiting"), ("other", "waiting")]


@pytest.mark.parametrize("count", [1, 30])
def test_queries_do_not_grow_with_the_rules(
    trader: User, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    channel = AlertChannel.objects.create(
        user=trader, name="on", service="Webhook", address_encrypted=""
    )
    for each in range(count):
        make_rule(trader, threshold=100.0 + each % 5).channels.set([channel])
    store_minute(0, 99.0)
    store_minute(1, 110.0)
    with time_machine.travel(minute(2), tick=False), django_assert_max_num_queries(13):
        assert len(evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(1)).events) == count


def test_rule_that_learns_nothing_costs_no_write(trader: User) -> None:
    make_rule(trader)
    close(0, 99.0)
    store_minute(1, 98.0)
    with (
        time_machine.travel(minute(2), tick=False),
        CaptureQueriesContext(connection) as asked,
    ):
        assert evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(1)).rules == 1
    written = [q["sql"] for q in asked.captured_queries if q["sql"][:6] in ("UPDATE", "INSERT")]
    assert written == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("comparison", ["above", "below", "crosses"])
def test_walk_with_gaps_repeats_and_lost_evaluations_raises_each_crossing_once(
    trader: User, comparison: str, seed: int
) -> None:
    """Matches the pure logic over the same minutes, even if some run twice or not at all."""
    chance = random.Random(seed)
    rule = make_rule(trader, comparison=comparison, cooldown_minutes=3, band=1.0)
    values = [None if chance.random() < 0.15 else 100.0 + chance.randint(-3, 3) for _ in range(25)]
    values[-1] = 100.0
    for index, value in enumerate(values):
        store_minute(index, value)
        if chance.random() < 0.3 and index < len(values) - 1:
            continue  # The worker died before it looked.
        with time_machine.travel(minute(index + 1), tick=False):
            for _ in range(chance.randint(1, 2)):
                evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(index))
    threshold = Threshold(comparison=comparison, level=100.0, band=1.0, cooldown=3 * MINUTE)
    series = [(index, float("nan") if each is None else each) for index, each in enumerate(values)]
    steps = firings(threshold, Watch(), [(minute(index), value) for index, value in series])
    expected = [
        index for (index, _), step in zip(series, steps, strict=True) if isinstance(step, Firing)
    ]
    assert fired(rule) == expected
    assert all(values[index] is not None for index in expected)
