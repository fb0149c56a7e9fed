"""The queue's promises, on a real Valkey and a clock of the test's own."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.core.redis.client import key, redis_client
from portfolio.updates import queue
from portfolio.updates.queue import Claim, claim_due, finish, keep_claims, queue_portfolio_updates
from portfolio.updates.rules import Priority, UpdateRules, update_rules
from portfolio.updates.statistics import LATE_SECONDS, check_queue, get_queue_stats

RULES = UpdateRules()
FAST = UpdateRules(debounce_seconds=0.5, maximum_wait_seconds=1.5, market_per_minute=60)
TICK = 0.5
START = 1_700_000_000.0


def forget_queue() -> None:
    client = redis_client()
    if names := list(client.scan_iter(key("updates", "*"))):
        client.delete(*names)


@dataclass
class Loop:
    """The queue's loop on a clock that only the test moves."""

    rules: UpdateRules = RULES
    now: float = START
    claims: list[tuple[float, Claim]] = field(default_factory=list)

    def move(self, portfolio_id: int, *symbols: str, priority: Priority = Priority.MARKET) -> None:
        moved = {portfolio_id: symbols}
        assert queue_portfolio_updates(moved, priority, rules=self.rules, at=self.now)

    def tick(self, *, most: int = 100, ends: bool = True) -> list[Claim]:
        found = list(claim_due(most=most, rules=self.rules, at=self.now).claims)
        self.claims += [(self.now, claim) for claim in found]
        assert None not in finish(found if ends else [], at=self.now)
        return found

    def run(self, seconds: float) -> list[Claim]:
        found = []
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            found += self.tick()
        return found


def test_hundred_moves_of_ten_seconds_become_few_updates() -> None:
    loop = Loop()
    for number in range(100):
        loop.move(1, f"S{number}")
        loop.now += 0.1
        loop.tick()
    loop.run(10)

    assert len(loop.claims) <= 5
    assert frozenset().union(*(claim.symbols for _, claim in loop.claims)) == {
        f"S{number}" for number in range(100)
    }


def test_update_waits_until_prices_are_quiet() -> None:
    loop = Loop()
    loop.move(1, "AAPL")
    loop.now += 1.9
    assert loop.tick() == []
    loop.move(1, "SPY")
    loop.now += 1.9
    assert loop.tick() == []
    loop.now += 0.1
    (claim,) = loop.tick()
    assert claim.symbols == {"AAPL", "SPY"}


def test_update_waits_no_longer_than_the_maximum() -> None:
    loop = Loop()
    for _ in range(50):
        loop.move(1, "AAPL")
        loop.now += 0.1
    (claim,) = loop.tick()
    assert loop.now - START == pytest.approx(RULES.maximum_wait_seconds)
    assert claim.symbols == {"AAPL"}


def test_manual_update_is_claimed_at_the_next_tick_before_others() -> None:
    loop = Loop()
    loop.move(1, "AAPL")
    loop.move(2, "AAPL", priority=Priority.BULK)
    loop.now += 5
    loop.move(3, priority=Priority.MANUAL)
    assert [claim.portfolio_id for claim in loop.tick()] == [3, 2, 1]


def test_merged_requests_keep_the_highest_priority_and_the_first_arrival() -> None:
    loop = Loop()
    loop.move(1, "AAPL", priority=Priority.BULK)
    loop.now += 1
    loop.move(1, "SPY")
    loop.now += 2
    (claim,) = claim_due(most=9, rules=RULES, at=loop.now).claims
    assert claim.priority is Priority.BULK
    assert claim.symbols == {"AAPL", "SPY"}
    assert finish([claim], at=loop.now) == [pytest.approx(3.0)]


def test_manual_requests_beyond_their_limit_wait_as_others_do() -> None:
    loop = Loop()
    for _ in range(RULES.manual_per_minute + 1):
        loop.move(1, priority=Priority.MANUAL)
        loop.tick()
        loop.now += 0.01
    assert len(loop.claims) == RULES.manual_per_minute
    (late,) = loop.run(RULES.debounce_seconds)
    assert not late.is_manual


def test_moves_beyond_the_limit_of_a_minute_are_put_off_and_kept() -> None:
    rules = UpdateRules(debounce_seconds=0.0, maximum_wait_seconds=0.0, market_per_minute=3)
    loop = Loop(rules)
    for number in range(30):
        loop.move(1, f"S{number}")
        loop.tick()
        loop.now += 1
    assert len(loop.claims) == 3
    loop.run(60)
    assert frozenset().union(*(claim.symbols for _, claim in loop.claims)) == {
        f"S{number}" for number in range(30)
    }
    assert get_queue_stats()["deferred"] == 1


def test_what_the_limit_puts_off_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop(UpdateRules(debounce_seconds=0.0, maximum_wait_seconds=0.0, market_per_minute=1))
    with caplog.at_level("INFO", logger="portfolio.updates.queue"):
        for portfolio_id in (1, 2, 1, 2, 1):
            loop.move(portfolio_id, "AAPL")
            loop.tick()
            loop.now += 1
    told = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert [each["portfolios"] for each in told if each["event"] == "updates.deferred"] == [1, 1]


def test_portfolio_being_computed_is_not_claimed_again_and_its_moves_wait() -> None:
    loop = Loop()
    loop.move(1, "AAPL", priority=Priority.MANUAL)
    (claim,) = loop.tick(ends=False)
    loop.move(1, "SPY", priority=Priority.MANUAL)
    assert loop.tick() == []
    assert None not in finish([claim], at=loop.now)
    (following,) = loop.tick()
    assert following.symbols == {"SPY"}


def test_claim_of_a_dead_process_is_claimed_again_with_its_symbols() -> None:
    loop = Loop()
    loop.move(1, "AAPL", priority=Priority.MANUAL)
    (dead,) = loop.tick(ends=False)
    loop.move(1, "SPY")
    loop.now += queue.LEASE_SECONDS
    (claim,) = loop.tick(ends=False)
    assert claim.symbols == {"AAPL", "SPY"}
    assert finish([dead], at=loop.now) == [None]
    assert finish([claim], at=loop.now) == [pytest.approx(queue.LEASE_SECONDS)]


def test_claim_that_is_kept_does_not_lapse() -> None:
    loop = Loop()
    loop.move(1, "AAPL", priority=Priority.MANUAL)
    (claim,) = loop.tick(ends=False)
    for _ in range(4):
        loop.now += queue.LEASE_SECONDS / 2
        keep_claims([claim], at=loop.now)
        assert loop.tick() == []
    assert None not in finish([claim], at=loop.now)


def test_clock_that_goes_back_stalls_nothing() -> None:
    loop = Loop()
    loop.move(1, "AAPL")
    loop.tick()
    loop.now -= 3600
    (claim,) = loop.run(RULES.maximum_wait_seconds)
    assert claim.symbols == {"AAPL"}


def test_slow_portfolio_delays_no_other() -> None:
    loop = Loop()
    loop.move(1, "AAPL", priority=Priority.MANUAL)
    loop.tick(ends=False)
    loop.move(2, "AAPL", priority=Priority.MANUAL)
    assert [claim.portfolio_id for claim in loop.tick()] == [2]


def test_bounded_look_takes_the_most_urgent_first() -> None:
    loop = Loop()
    for number in range(1, 9):
        loop.move(number, "AAPL", priority=Priority.MANUAL if number == 8 else Priority.MARKET)
    loop.now += 5
    assert [claim.portfolio_id for claim in loop.tick(most=3)] == [8, 1, 2]
    assert len(loop.tick()) == 5


def test_lost_memory_is_noticed_once() -> None:
    assert claim_due(most=1, at=START).is_new
    assert not claim_due(most=1, at=START).is_new
    forget_queue()
    assert claim_due(most=1, at=START).is_new


def test_thousand_symbols_of_many_portfolios_are_queued_in_bounded_calls() -> None:
    moved = {number: [f"S{each}" for each in range(2500)] for number in range(1, 4)}
    moved |= {number: ["SPY"] for number in range(4, 500)}
    assert queue_portfolio_updates(moved, at=START)
    claims = claim_due(most=1000, at=START + 5).claims
    assert {claim.portfolio_id: len(claim.symbols) for claim in claims} == {
        number: len(symbols) for number, symbols in moved.items()
    }


def test_unknown_priority_is_refused() -> None:
    with pytest.raises(ValueError, match="7 is not a valid Priority"):
        queue_portfolio_updates({1: ["AAPL"]}, 7)


def test_without_redis_nothing_is_queued_and_it_is_said(settings: LazySettings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert not queue.queue_portfolio_update(1, ["AAPL"])
    assert get_queue_stats()["is_processing"] is None
    assert check_queue().status == "degraded"


def test_rules_come_from_the_settings(settings: LazySettings) -> None:
    assert update_rules() == UpdateRules(2.0, 5.0, 20, 10)
    settings.PORTFOLIO_UPDATE_DEBOUNCE_SECONDS = 0.5
    settings.PORTFOLIO_UPDATES_PER_MINUTE = 60
    assert update_rules() == UpdateRules(0.5, 5.0, 60, 10)


def test_statistics_say_what_waits_and_what_was_merged() -> None:
    loop = Loop()
    loop.move(1, "AAPL")
    loop.move(1, "SPY")
    loop.move(2, "AAPL", priority=Priority.MANUAL)
    loop.tick(ends=False)

    found = get_queue_stats()

    assert (found["pending_updates"], found["in_progress"], found["rate_limit_windows"]) == (
        1,
        1,
        1,
    )
    assert (found["queued"], found["finished"]) == (3, 0)
    assert found["delay_p50_seconds"] is None


def test_portfolio_that_nobody_claims_degrades_the_check() -> None:
    assert check_queue().status == "ok"
    queue_portfolio_updates({1: ["AAPL"]}, Priority.MANUAL, at=time.time() - LATE_SECONDS - 5)
    # The scripts' own clock, which reads the time from now on.
    redis_client().delete(key("updates", "clock"))
    found = check_queue()
    assert found.status == "degraded"
    assert found.age_seconds == pytest.approx(LATE_SECONDS + 5, abs=60)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("move"),
            st.integers(1, 3),
            st.sampled_from("ABCDEF"),
            st.sampled_from(list(Priority)),
        ),
        st.tuples(st.just("wait"), st.floats(0.0, 20.0)),
        st.tuples(st.just("kill"), st.integers(0, 2)),
        st.tuples(st.just("back"), st.floats(0.0, 4000.0)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("rules", [RULES, FAST], ids=["normal", "fast"])
@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps=STEPS)
def test_any_storm_keeps_every_promise(rules: UpdateRules, steps: list[tuple[object, ...]]) -> None:
    """Nothing lost, no window over its limit, nothing later than promised, whoever is killed."""
    forget_queue()
    loop = Loop(rules)
    # What the portfolio computed last is the newest price of each symbol that it was told of.
    price: Counter[tuple[int, str]] = Counter()
    computed: dict[tuple[int, str], int] = {}
    times: dict[tuple[int, bool], list[float]] = defaultdict(list)
    elapsed, dead = 0.0, 0

    def compute(claims: list[Claim], *, killed: int = 0) -> None:
        for number, claim in enumerate(claims):
            times[claim.portfolio_id, claim.is_manual].append(elapsed)
            if number < killed:
                continue
            for symbol in claim.symbols:
                computed[claim.portfolio_id, symbol] = price[claim.portfolio_id, symbol]
            finish([claim], at=loop.now)

    for step in steps:
        match step:
            case ("move", int(name), str(symbol), Priority() as priority):
                price[name, symbol] += 1
                loop.move(name, symbol, priority=priority)
            case ("wait", float(seconds)):
                for _ in range(int(seconds / TICK) + 1):
                    loop.now += TICK
                    elapsed += TICK
                    compute(loop.tick(ends=False))
            case ("kill", int(dead)):
                loop.now += TICK
                elapsed += TICK
                compute(loop.tick(ends=False), killed=dead)
            case ("back", float(seconds)):
                loop.now -= seconds
    for _ in range(20):
        loop.now += 5.0
        elapsed += 5.0
        compute(loop.tick(ends=False))

    assert computed == dict(price)
    for (_, is_manual), moments in times.items():
        limit = rules.manual_per_minute if is_manual else rules.market_per_minute
        for first, later in zip(moments, moments[limit:], strict=False):
            assert later - first > 60.0


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(list(Priority)), st.integers(0, 12)),
        max_size=40,
    )
)
def test_no_update_is_late_while_under_its_limit(steps: list[tuple[int, Priority, int]]) -> None:
    forget_queue()
    loop = Loop(UpdateRules(market_per_minute=600, manual_per_minute=600))
    waiting: dict[int, tuple[float, Priority]] = {}

    def tick() -> None:
        loop.now += TICK
        for claim in loop.tick():
            waiting.pop(claim.portfolio_id)
        for first, priority in waiting.values():
            longest = 0.0 if priority is Priority.MANUAL else RULES.maximum_wait_seconds
            assert loop.now - first < longest + TICK + 0.001

    for portfolio_id, priority, ticks in steps:
        loop.move(portfolio_id, "AAPL", priority=priority)
        first, highest = waiting.get(portfolio_id, (loop.now, priority))
        waiting[portfolio_id] = (
            (loop.now, priority)
            if priority is Priority.MANUAL and highest is not Priority.MANUAL
            else (first, highest)
        )
        for _ in range(ticks):
            tick()
