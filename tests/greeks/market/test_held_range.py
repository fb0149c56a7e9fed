"""A |delta| range whose ends strikes cross: changes compare one set of contracts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import time_machine
from django.test import Client
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.redis.client import redis_client
from greeks.alerts.evaluation import evaluate_alerts
from greeks.chains import SUMMED_GREEKS, Floats, OptionChain
from greeks.maths.changes import ContractGreeks, add_up, bucket_changes, velocity
from greeks.models import AlertEvent, AlertRule, GreekSnapshot, PolledInstrument
from tests.factories import UserFactory
from tests.greeks.conftest import Desk
from tests.greeks.market import stored
from tests.greeks.scripted import EXPIRY, OPENS, chain_at

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
MINUTE = timedelta(minutes=1)
LAST = timedelta(seconds=55)
LOW, HIGH = 0.3, 0.7


@pytest.fixture(autouse=True)
def _clock(db: None, settings: Settings) -> None:
    stored.session()
    settings.MARKET_CLOCK = datetime(2026, 11, 27, 5, 0, tzinfo=UTC).isoformat()


def close_at(minute: int) -> OptionChain:
    return chain_at(OPENS + minute * MINUTE + LAST)


def inside(chain: OptionChain) -> Any:
    size = np.abs(chain.delta)
    return (size >= LOW) & (size < HIGH)


def greek_of(chain: OptionChain, name: str) -> Floats:
    values: Floats = getattr(chain, name)
    return values


def held(name: str, before: OptionChain, after: OptionChain) -> float:
    """The change of the contracts that were in the range, one by one."""
    same = inside(before)
    return float((greek_of(after, name)[same] - greek_of(before, name)[same]).sum())


def poll(desk: Desk, minutes: list[int]) -> None:
    for minute in minutes:
        desk.poll(OPENS + minute * MINUTE + LAST)
    desk.roll_up(OPENS + (minutes[-1] + 1) * MINUTE + timedelta(seconds=1))


def body(**parameters: Any) -> Any:
    asked = {"delta_min": LOW, "delta_max": HIGH, "date": "2026-11-27", **parameters}
    return Client().get("/market/data", asked).json()


def test_change_in_a_range_is_of_the_contracts_that_were_in_it_a_minute_before(desk: Desk) -> None:
    poll(desk, list(range(8)))
    chains = [close_at(minute) for minute in range(8)]
    crossings = sum(int((inside(one) != inside(other)).sum()) for one, other in pairwise(chains))
    assert crossings > 0
    found = body()["series"]
    for name in SUMMED_GREEKS:
        sums = [float(greek_of(chain, name)[inside(chain)].sum()) for chain in chains]
        moved = [held(name, one, other) for one, other in pairwise(chains)]
        columns = found[name]["total"]
        assert columns["change"][0] is None
        assert columns["close"][:8] == pytest.approx(sums)
        assert columns["change"][1:8] == pytest.approx(moved, abs=1e-9)
        assert columns["from_open"][:8] == pytest.approx([0.0, *np.cumsum(moved)], abs=1e-9)
        # What is left of the sum's own change is of contracts that crossed.
        rest = [
            value - sums[0] - flow for value, flow in zip(sums, [0, *np.cumsum(moved)], strict=True)
        ]
        assert columns["crossed"][:8] == pytest.approx(rest, abs=1e-9)
        assert max(map(abs, rest)) > 0


def test_velocity_in_a_range_follows_the_held_contracts(desk: Desk, settings: Settings) -> None:
    poll(desk, list(range(8)))
    settings.MARKET_CLOCK = (OPENS + 8 * MINUTE + timedelta(seconds=10)).isoformat()
    chains = [close_at(minute) for minute in (5, 6, 7)]
    moved = [held("delta", one, other) for one, other in pairwise(chains)]
    found = body()["velocity"]["delta"]["total"]
    assert found["change"] == pytest.approx(moved[1], abs=1e-9)
    assert found["word"] == velocity(moved).word


def test_a_step_adds_up_its_minutes_and_a_gap_has_no_change(desk: Desk) -> None:
    poll(desk, [0, 1, 2, 3, 4, 5, 6, 8, 9])
    five = body(resolution="5m")["series"]["vega"]["total"]
    chains = {minute: close_at(minute) for minute in (*range(7), 8, 9)}
    pairs = [(4, 5), (5, 6), (6, 8), (8, 9)]
    moved = sum(held("vega", chains[one], chains[other]) for one, other in pairs)
    assert five["change"][1] == pytest.approx(moved, abs=1e-9)
    one = body()["series"]["vega"]["total"]
    assert (one["change"][7], one["change"][8]) == (None, None)
    assert one["change"][9] == pytest.approx(held("vega", chains[8], chains[9]), abs=1e-9)
    assert one["from_open"][9] is not None


def test_minutes_whose_contracts_are_lost_end_the_change_since_the_open(desk: Desk) -> None:
    poll(desk, [0, 1])
    for key in redis_client().scan_iter("*chain_contracts*"):
        redis_client().delete(key)
    poll(desk, [2, 3])
    columns = body()["series"]["vega"]["total"]
    assert columns["close"][2] is not None
    assert (columns["change"][2], columns["from_open"][2], columns["crossed"][2]) == (None,) * 3
    assert columns["change"][3] == pytest.approx(held("vega", close_at(2), close_at(3)), abs=1e-9)
    assert columns["from_open"][3] is None


def test_alert_on_a_range_s_change_does_not_fire_when_a_strike_crosses_its_end(
    desk: Desk, instrument: PolledInstrument, settings: Settings
) -> None:
    settings.MARKET_CLOCK = ""
    chains = [close_at(minute) for minute in range(8)]
    sums = [float(chain.vega[inside(chain)].sum()) for chain in chains]
    flow = [held("vega", one, other) for one, other in pairwise(chains)]
    # A square wave of the sum, and little that moved.
    assert max(np.diff(sums)) > 15
    assert max(flow) < 4
    user: User = UserFactory.create()
    rules = {
        measure: AlertRule.objects.create(
            user=user,
            instrument=instrument,
            metric="vega",
            side="total",
            measure=measure,
            delta_min=LOW,
            delta_max=HIGH,
            comparison="above",
            threshold=threshold,
            cooldown_minutes=0,
        )
        for measure, threshold in (("change", 4.0), ("from_open", -1e9))
    }
    poll(desk, list(range(8)))
    events: list[AlertEvent] = []
    for minute in range(8):
        at = OPENS + minute * MINUTE
        with time_machine.travel(at + MINUTE, tick=False):
            events += evaluate_alerts(slug=desk.slug, expiry=EXPIRY, minute=at).events
    assert {event.rule_id for event in events} == {rules["from_open"].pk}


def test_range_at_a_minute_without_any_greeks_is_missing_not_zero(desk: Desk) -> None:
    poll(desk, [0])
    GreekSnapshot.objects.update(delta_buckets=np.zeros((2, 20, 5)).tobytes())
    assert body()["series"]["vega"]["total"]["close"][0] is None


def contracts(keys: str, deltas: list[float]) -> ContractGreeks:
    greeks = np.array([deltas, *[[10 * delta for delta in deltas]] * 3])
    return ContractGreeks(keys=tuple(keys), is_call=np.ones(len(keys), dtype=bool), greeks=greeks)


def test_changes_are_by_the_bucket_before_and_of_contracts_known_both_times() -> None:
    found = bucket_changes(contracts("abc", [0.28, 0.32, 0.52]), contracts("bdc", [0.28, 0.9, 0.5]))
    assert found[0, 6].tolist() == pytest.approx([-0.04, -0.4, -0.4, -0.4, 1.0])
    assert found[0, 10].tolist() == pytest.approx([-0.02, -0.2, -0.2, -0.2, 1.0])
    assert found[..., -1].sum() == 2


def test_changes_add_up_over_gaps_and_stop_where_contracts_are_unknown() -> None:
    nan = np.nan
    values = np.array([nan, 1.0, nan, 3.0, nan, 5.0])
    held_ = add_up(values, np.array([True, True, False, True, True, True]), 0)
    assert held_.from_base.tolist()[:2] == [0.0, 1.0]
    assert held_.from_base[3] == 4.0
    assert np.isnan(held_.from_base[[2, 4, 5]]).all()
    assert held_.change[1] == 1.0
    assert held_.change[5] == 5.0
    assert np.isnan(held_.change[[0, 2, 3, 4]]).all()
