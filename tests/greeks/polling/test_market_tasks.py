from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from config.core.errors import ForbiddenError, RetryableError
from config.core.redis.client import redis_client
from greeks.models import AlertEvent, GreekSnapshot, PolledInstrument
from greeks.polling.samples import read_samples
from greeks.polling.slots import DuePoll, claim_due_polls, slot_of
from greeks.tasks import market
from greeks.tasks.market import (
    poll_chain_task,
    poll_chains_task,
    refresh_listing_task,
    roll_up_instrument_task,
    roll_up_minutes_task,
)
from tests.factories import UserFactory
from tests.greeks.conftest import Desk
from tests.greeks.scripted import (
    CLOSES,
    EXPIRES,
    EXPIRY,
    LATER,
    OPENS,
    ScriptedProvider,
    polled_instrument,
)

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
NOON = OPENS + timedelta(hours=2)


def slots(at: datetime) -> list[datetime]:
    return [due.slot for due in claim_due_polls(at)]


def test_slots_stand_on_the_clock() -> None:
    assert slot_of(NOON + 9.99 * SECOND, 5) == NOON + 5 * SECOND
    assert slot_of(NOON + 9.99 * SECOND, 15) == NOON


def test_a_look_hands_out_the_present_slot_and_those_that_begin_soon(
    instrument: PolledInstrument,
) -> None:
    (now, soon) = claim_due_polls(NOON + SECOND)

    assert now == DuePoll(slug="nifty-50", expiry=EXPIRY, slot=NOON, every_seconds=5, wait=0.0)
    assert (soon.slot, soon.wait) == (NOON + 5 * SECOND, 4.0)


def test_a_slot_is_handed_out_once(instrument: PolledInstrument) -> None:
    assert slots(NOON) == [NOON, NOON + 5 * SECOND]
    assert slots(NOON) == []
    assert slots(NOON + 5 * SECOND) == [NOON + 10 * SECOND]


@pytest.mark.parametrize("drift", [0.03, 0.9])
def test_looks_that_drift_against_the_clock_miss_no_slot(
    drift: float, instrument: PolledInstrument
) -> None:
    handed_out: list[datetime] = []
    at = NOON + 0.5 * SECOND
    while at < NOON + timedelta(minutes=5):
        handed_out += slots(at)
        at += (5 + drift) * SECOND

    assert handed_out == [NOON + 5 * number * SECOND for number in range(len(handed_out))]
    assert len(handed_out) >= 60


def test_slot_that_is_half_over_is_left(instrument: PolledInstrument) -> None:
    assert slots(NOON + 3 * SECOND)[0] == NOON + 5 * SECOND


def test_slots_begin_with_the_session_and_end_with_it(instrument: PolledInstrument) -> None:
    assert slots(OPENS - 8 * SECOND) == []
    assert slots(OPENS - 2 * SECOND) == [OPENS, OPENS + 5 * SECOND]
    assert slots(CLOSES - 4 * SECOND) == [CLOSES - 5 * SECOND]
    assert slots(CLOSES) == []


def test_expiries_roll_at_the_instant_of_expiry(settings: Any) -> None:
    settings.MARKET_ALWAYS_OPEN = True
    polled_instrument(simulated=True)

    expiries = [due.expiry for due in claim_due_polls(EXPIRES - 4 * SECOND)]

    assert expiries == [EXPIRY, LATER]


def test_longer_intervals_have_fewer_slots() -> None:
    polled_instrument(poll_seconds=20)

    assert slots(NOON + SECOND) == [NOON]
    assert slots(NOON + 15 * SECOND) == [NOON + 20 * SECOND]


def test_clock_that_stands_still_has_one_slot(instrument: PolledInstrument, settings: Any) -> None:
    settings.MARKET_CLOCK = (NOON + 4 * SECOND).isoformat()

    assert slots(NOON + 4 * SECOND) == [NOON]
    assert slots(NOON + 4 * SECOND) == []


@dataclass(slots=True)
class Queue:
    """What was given to the queue, task by task."""

    given: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    def __call__(self, task: Any, arguments: dict[str, Any], **options: Any) -> None:
        self.given.append((task.name, arguments, options))


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue = Queue()
    monkeypatch.setattr(market, "enqueue", queue)
    return queue


@time_machine.travel(NOON + SECOND, tick=False)
def test_looks_enqueue_polls_that_wait_for_their_slot(
    instrument: PolledInstrument, queue: Queue
) -> None:
    PolledInstrument.objects.update(listed_as_of=NOON)
    poll_chains_task()

    (name, arguments, options), (_, _, waiting) = queue.given
    assert name == "greeks.poll_chain"
    assert arguments == {
        "slug": "nifty-50",
        "expiry": "2026-12-01",
        "slot": NOON.isoformat(),
        "every_seconds": 5,
    }
    assert options == {"countdown": None, "expires": 5.0}
    assert waiting == {"countdown": 4.0, "expires": 9.0}


@time_machine.travel(NOON + SECOND, tick=False)
def test_looks_ask_for_a_listing_that_is_behind_once_a_minute(
    instrument: PolledInstrument, queue: Queue
) -> None:
    for _ in range(2):
        poll_chains_task()

    assert [name for name, *_ in queue.given].count("greeks.refresh_listing") == 1


def test_poll_of_the_queue_keeps_its_sample(desk: Desk) -> None:
    desk.clock.at = NOON
    poll_chain_task("nifty-50", "2026-12-01", NOON.isoformat(), 5)

    assert list(read_samples("nifty-50", EXPIRY, OPENS, CLOSES)) == [NOON]


def test_poll_is_left_to_who_polls_the_chain_already(desk: Desk) -> None:
    redis_client().set("greekdesk:lock:task:greeks.poll_chain:chain.nifty-50.2026-12-01", "other")

    poll_chain_task("nifty-50", "2026-12-01", NOON.isoformat(), 5)

    assert desk.provider.asked == []


def test_provider_that_forbids_its_calls_is_told_of_once(desk: Desk) -> None:
    UserFactory.create(is_staff=True)
    desk.provider.error = ForbiddenError("No permission.", provider="scripted")
    for seconds in (0, 5):
        slot = NOON + seconds * SECOND
        poll_chain_task("nifty-50", "2026-12-01", slot.isoformat(), 5)

    (event,) = AlertEvent.objects.all()
    assert event.subject == "forbidden:scripted"
    assert "No permission. Calls have stopped" in event.text


def test_poll_of_an_instrument_that_was_deleted_is_no_error(desk: Desk) -> None:
    PolledInstrument.objects.all().delete()

    poll_chain_task("nifty-50", "2026-12-01", NOON.isoformat(), 5)

    assert desk.provider.asked == []


def test_failed_listing_of_the_queue_is_no_error(
    instrument: PolledInstrument, provider: ScriptedProvider
) -> None:
    provider.error = RetryableError("no answer", provider="scripted")

    refresh_listing_task("nifty-50")

    instrument.refresh_from_db()
    assert len(instrument.listed_expiries) == 2


@pytest.mark.parametrize(("into", "wait"), [(0.25, 0.75), (1.0, None), (20.0, None)])
def test_minutes_are_rolled_up_a_second_after_they_end(
    into: float, wait: float | None, instrument: PolledInstrument, queue: Queue
) -> None:
    with time_machine.travel(NOON + into * SECOND, tick=False):
        roll_up_minutes_task()

    assert queue.given == [
        (
            "greeks.roll_up_instrument",
            {"slug": "nifty-50"},
            {"countdown": wait, "expires": 50},
        )
    ]


def test_roll_up_of_the_queue_writes_what_is_behind(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    with time_machine.travel(OPENS + timedelta(minutes=2, seconds=1), tick=False):
        roll_up_instrument_task("nifty-50")

    assert [row.samples_seen for row in GreekSnapshot.objects.order_by("minute")] == [12, 0]
