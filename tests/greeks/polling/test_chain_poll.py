from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from config.core.errors import CircuitOpen, ForbiddenError, NotFound, UnauthorisedError
from config.core.redis.client import redis_client, reset_guards
from greeks.calendar.sessions import forget_sessions
from greeks.market.chain import latest_chain_json
from greeks.models import ExchangeSession, PolledInstrument
from greeks.polling.poll import Outcome, poll_chain
from greeks.polling.samples import (
    latest_sample,
    read_samples,
    samples_key,
)
from greeks.polling.slots import slot_of
from greeks.polling.states import chain_states
from tests.announcements import Announcements
from tests.greeks.conftest import Desk
from tests.greeks.maths.test_aggregation import exact_sums
from tests.greeks.scripted import CLOSES, EXPIRY, OPENS, chain_at
from tests.servers.valkey import RunningValkey

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SLOT = OPENS + timedelta(minutes=10, seconds=25)
SECOND = timedelta(seconds=1)


@pytest.fixture
def announcements() -> Iterator[Announcements]:
    heard = Announcements()
    yield heard
    heard.close()


def samples(start: datetime = OPENS, end: datetime = CLOSES) -> list[datetime]:
    held = read_samples("nifty-50", EXPIRY, start, end)
    return [sample.slot for minute in held.values() for sample in minute]


def test_sample_holds_the_exact_sums_of_the_chain(desk: Desk) -> None:
    poll = desk.poll(SLOT)

    sample = latest_sample("nifty-50", EXPIRY)
    assert poll.outcome is Outcome.SAMPLED
    assert sample is not None
    assert sample.slot == sample.as_of == SLOT
    assert sample.sums.everything.tolist() == exact_sums(chain_at(SLOT))
    assert sample.spot == chain_at(SLOT).spot
    assert (sample.source, sample.simulated, sample.seen, sample.expected) == (
        "scripted", False, 1, 12,
    )  # fmt: skip


def test_sample_is_read_as_it_was_written(desk: Desk) -> None:
    desk.provider.options = {"without_greeks": 6, "open_interest": np.full(80, math.nan)}
    written = desk.poll(SLOT).sample

    read = latest_sample("nifty-50", EXPIRY)

    assert written is not None
    assert read is not None
    for name in ("everything", "vendor", "buckets"):
        assert np.array_equal(getattr(written.sums, name), getattr(read.sums, name), equal_nan=True)
    for name in ("contracts", "contracts_without_greeks", "contracts_filled", "call_volume"):
        assert getattr(written.sums, name) == getattr(read.sums, name)
    assert math.isnan(read.sums.pcr)


def test_what_the_vendor_left_out_is_filled_and_its_own_sums_are_kept_beside(desk: Desk) -> None:
    desk.provider.options = {"strikes": 16, "without_greeks": 6}

    sample = desk.poll(SLOT).sample

    assert sample is not None
    assert (sample.sums.contracts_without_greeks, sample.sums.contracts_filled) == (6, 6)
    vendor_only = exact_sums(chain_at(SLOT, strikes=16, without_greeks=6))
    assert sample.sums.vendor.tolist() == vendor_only
    # The model's values of the six are those that the chain was made with, but for the tick.
    whole = np.array(exact_sums(chain_at(SLOT, strikes=16)))
    assert sample.sums.everything == pytest.approx(whole, rel=2e-3)


def test_a_slot_has_one_sample_however_often_it_is_polled(desk: Desk) -> None:
    first = desk.poll(SLOT)
    again = desk.poll(SLOT)

    assert (first.outcome, again.outcome) == (Outcome.SAMPLED, Outcome.REPEATED)
    assert samples() == [SLOT]


def test_samples_of_a_clock_that_was_ahead_do_not_refuse_those_of_now(desk: Desk) -> None:
    """By Redis's own time, which is the real one: the session is on now."""
    at = slot_of(datetime.now(UTC), 5)
    ExchangeSession.objects.create(
        exchange="NSE",
        session_date=at.date(),
        opens_at=at - timedelta(hours=1),
        closes_at=at + timedelta(hours=3),
        kind=ExchangeSession.Kind.SPECIAL,
    )
    forget_sessions()
    before = [at - timedelta(minutes=2), at - 5 * SECOND]
    desk.clock.at = SLOT

    def poll(slot: datetime) -> Outcome:
        return poll_chain(slug="nifty-50", expiry=EXPIRY, slot=slot).outcome

    for slot in (*before, at + timedelta(hours=1), at + timedelta(minutes=61)):
        assert poll(slot) is Outcome.SAMPLED

    assert poll(at) is Outcome.SAMPLED
    assert poll(at) is Outcome.REPEATED
    assert poll(at + 5 * SECOND) is Outcome.SAMPLED
    held = samples(at - timedelta(hours=1), at + timedelta(hours=3))
    assert held == [*before, at, at + 5 * SECOND]


def test_a_clock_that_is_behind_drops_no_sample(desk: Desk) -> None:
    """The test's session is years from Redis's own time."""
    desk.poll(SLOT + timedelta(hours=1))

    assert desk.poll(SLOT).outcome is Outcome.REPEATED
    assert samples() == [SLOT + timedelta(hours=1)]


def test_samples_of_a_minute_are_counted(desk: Desk) -> None:
    desk.poll_minute(OPENS)
    desk.poll(OPENS + timedelta(minutes=1))

    held = read_samples("nifty-50", EXPIRY, OPENS, CLOSES)
    assert [sample.seen for sample in held[OPENS]] == list(range(1, 13))
    assert [sample.seen for sample in held[OPENS + timedelta(minutes=1)]] == [1]


def test_samples_older_than_two_hours_go(desk: Desk) -> None:
    for minute in range(0, 300, 10):
        desk.poll(OPENS + timedelta(minutes=minute))

    last = OPENS + timedelta(minutes=290)
    held = samples()
    assert held[-1] == last
    # Redis trims whole nodes of the stream, which hold one or two samples.
    assert last - timedelta(hours=2, minutes=20) <= held[0] <= last - timedelta(hours=2)
    assert 0 < int(redis_client().ttl(samples_key("nifty-50", EXPIRY))) <= 4 * 86_400


def test_latest_chain_is_made_once_and_served_as_it_is(desk: Desk) -> None:
    desk.provider.options = {"strikes": 16, "without_greeks": 4}
    desk.poll(SLOT)

    body = json.loads(latest_chain_json(slug="nifty-50", expiry=EXPIRY) or "null")

    chain = chain_at(SLOT, strikes=16, without_greeks=4)
    assert body["schema"] == 1
    assert (body["slug"], body["instrument_key"]) == ("nifty-50", "NSE_INDEX|Nifty 50")
    assert body["as_of"] == "2026-11-27T09:25:25+05:30"
    assert (body["lot_size"], body["simulated"], body["counts_contracts"]) == (75, False, False)
    assert [row["strike"] for row in body["strikes"]] == sorted(set(chain.strike.tolist()))
    middle = body["strikes"][8]
    assert middle["call"]["key"] == chain.keys[16]
    assert middle["call"]["delta"] == chain.delta[16]
    assert middle["put"]["theta"] == chain.theta[17]
    assert middle["put"]["greeks_source"] == "scripted"
    sources = [row[side]["greeks_source"] for row in body["strikes"] for side in ("call", "put")]
    assert sources.count("model") == 4
    assert body["sums"]["delta"]["total"] != body["vendor"]["delta"]["total"]


def test_unknown_numbers_leave_as_null(desk: Desk) -> None:
    nothing = np.full(80, math.nan)
    desk.provider.options = {"without_greeks": 80, "bid": nothing, "ask": nothing}
    desk.poll(SLOT)

    body = json.loads(latest_chain_json(slug="nifty-50", expiry=EXPIRY) or "null")

    call = body["strikes"][0]["call"]
    assert (call["bid"], call["delta"], call["iv"], call["greeks_source"]) == (None,) * 4
    assert body["sums"]["vega"] == {"call": None, "put": None, "total": None}


def test_each_sample_is_announced_with_the_minute_that_forms(
    desk: Desk, announcements: Announcements
) -> None:
    desk.poll(SLOT)
    desk.poll(SLOT + 5 * SECOND)

    (group, first), (_, second) = announcements.received()
    assert group == "market.nifty-50.2026-12-01"
    assert first["type"] == "market.sampled"
    assert (first["version"], first["previous_version"]) == (int(SLOT.timestamp()), None)
    assert second["previous_version"] == first["version"]
    data = second["data"]
    assert data["slot"] == "2026-11-27T09:25:30+05:30"
    assert data["minute"] == "2026-11-27T09:25:00+05:30"
    assert (data["samples_seen"], data["samples_expected"]) == (2, 12)
    assert data["sums"]["vega"]["total"] == exact_sums(chain_at(SLOT + 5 * SECOND))[2][3]
    assert "buckets" not in data


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnauthorisedError("401", provider="scripted"), "provider_unauthorised"),
        (ForbiddenError("403", provider="scripted"), "provider_forbidden"),
        (CircuitOpen("open", provider="scripted"), "provider_circuit_open"),
    ],
)
def test_failed_poll_is_a_missing_sample_and_says_why(
    error: Exception, code: str, desk: Desk
) -> None:
    desk.poll(SLOT)
    desk.provider.error = error

    failed = [desk.poll(SLOT + second * SECOND) for second in (5, 10)]

    assert {(poll.outcome, poll.code) for poll in failed} == {(Outcome.FAILED, code)}
    assert samples() == [SLOT]
    (state,) = chain_states()
    assert state.record is not None
    assert state.is_failing
    assert (state.record.outcome, state.record.consecutive_failures) == (code, 2)
    assert state.record.succeeded_at is not None


def test_success_ends_the_failures(desk: Desk) -> None:
    desk.provider.error = UnauthorisedError("401", provider="scripted")
    desk.poll(SLOT)
    desk.provider.error = None
    desk.poll(SLOT + 5 * SECOND)

    (state,) = chain_states()

    assert state.record is not None
    assert not state.is_failing
    assert (state.record.outcome, state.record.contracts) == ("sampled", 80)


def test_chain_that_was_never_polled_has_no_record(instrument: PolledInstrument) -> None:
    (state,) = chain_states([instrument])

    assert (state.slug, state.record) == ("nifty-50", None)


def test_empty_chain_is_a_failure_and_no_sum_of_nought(desk: Desk) -> None:
    desk.provider.options = {"strikes": 0}

    assert desk.poll(SLOT).code == "provider_malformed"
    assert samples() == []


def test_closed_exchange_shows_the_chain_and_makes_no_sample(desk: Desk) -> None:
    poll = desk.poll(CLOSES)

    assert poll.outcome is Outcome.CLOSED
    assert samples() == []
    assert latest_chain_json(slug="nifty-50", expiry=EXPIRY) is not None


def test_poll_goes_on_while_redis_is_away(
    desk: Desk, settings: Any, tmp_path: Any, valkey: RunningValkey
) -> None:
    address = settings.REDIS_URL
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock?db=0"
    lost = desk.poll(SLOT)
    settings.REDIS_URL = address
    reset_guards()

    assert lost.outcome is Outcome.UNSTORED
    assert desk.poll(SLOT + 5 * SECOND).outcome is Outcome.SAMPLED
    assert samples() == [SLOT + 5 * SECOND]


def test_entry_of_another_version_is_passed_over(desk: Desk) -> None:
    desk.poll(SLOT)
    later = int((SLOT + 5 * SECOND).timestamp() * 1000)
    redis_client().xadd(samples_key("nifty-50", EXPIRY), {"numbers": "AAAA"}, id=f"{later}-0")

    assert samples() == [SLOT]


def test_sample_older_than_the_last_is_refused(desk: Desk) -> None:
    desk.poll(SLOT + 5 * SECOND)

    assert desk.poll(SLOT).outcome is Outcome.REPEATED
    assert samples() == [SLOT + 5 * SECOND]


def test_unknown_slug_is_named() -> None:
    with pytest.raises(NotFound, match="'nowhere'"):
        poll_chain(slug="nowhere", expiry=date(2026, 12, 1), slot=datetime.now(UTC))
