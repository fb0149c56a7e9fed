"""Calls of a minute, shared by all processes, and the vendor's own limit."""

from __future__ import annotations

import multiprocessing

import httpx
import pytest

from config.core.errors import (
    ProviderError,
    RateLimitedError,
)
from config.core.redis.client import key, redis_client
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract
from greeks.providers.polygon.client import PolygonClient
from greeks.providers.polygon.provider import PolygonProvider
from greeks.sandbox.market import Market
from greeks.sandbox.polygon.rules import API_KEY
from tests.greeks.providers.polygon_support import (
    Asked,
    answering,
    of_sandbox,
    option,
    page,
    provider,
    row,
)

CALL = option()
TWELVE = [option(100, underlying=f"UND{letter}") for letter in "ABCDEFGHIJKL"]


def test_five_calls_a_minute_and_twelve_underlyings_take_three_minutes() -> None:
    asked = Asked(TWELVE)
    source = provider(asked, calls_per_minute=5)

    first = source.fetch_snapshots(TWELVE)
    next_minute(source)
    second = source.fetch_snapshots(TWELVE)
    next_minute(source)
    third = source.fetch_snapshots(TWELVE)

    names = [contract.underlying for contract in TWELVE]
    assert [s.contract.underlying for s in first.items] == names[:5]
    assert list(first.left_out) == names[5:]
    assert "call budget" in first.left_out["UNDF"]
    assert [s.contract.underlying for s in second.items] == names[5:10]
    # Those that were asked longest ago come next.
    assert [s.contract.underlying for s in third.items] == [*names[10:], *names[:3]]
    assert asked.underlyings == [*names, *names[:3]]


def test_budget_that_is_used_up_raises_when_nothing_came() -> None:
    source = provider(Asked(TWELVE), calls_per_minute=1)
    source.fetch_snapshots(TWELVE[:1])
    with pytest.raises(RateLimitedError) as caught:
        source.fetch_snapshots(TWELVE[1:])
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 60


def next_minute(source: PolygonProvider) -> None:
    """As if a minute had passed: its calls are forgotten, what was asked is not."""
    deleted = redis_client().delete(key("budget", source.server))
    assert deleted == 1


def test_two_processes_share_the_minute(sandbox: Sandbox) -> None:
    legs = [
        chain[len(chain) // 2]
        for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")
        for chain in [sandbox.market.chain(symbol, sandbox.market.expiries(symbol)[1])]
    ]
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[int] = context.Queue()
    url = sandbox.url("polygon")
    processes = [context.Process(target=_ask, args=(url, legs, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    got = [answers.get(timeout=20) for _ in processes]
    for process in processes:
        process.join(10)

    assert sum(got) == 7
    assert len(sandbox.faults.requests(server="polygon")) == 7


def _ask(url: str, legs: list[Contract], answers: multiprocessing.Queue[int]) -> None:
    source = PolygonProvider(PolygonClient(url, api_key=API_KEY, calls_per_minute=7, timeout=5.0))
    try:
        answers.put(len(source.fetch_snapshots(legs).items))
    except ProviderError:
        answers.put(0)


def test_vendors_own_limit_pauses_everybody_as_long_as_it_says(sandbox: Sandbox) -> None:
    sandbox.applications["polygon"].state.limit.enabled = True
    legs = [
        sandbox.market.chain(symbol, sandbox.market.expiries(symbol)[1])[40]
        for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")
    ]
    source = of_sandbox(sandbox)
    source.fetch_snapshots(legs)

    with pytest.raises(RateLimitedError) as caught:
        source.fetch_snapshots(legs)

    assert caught.value.retry_after is not None
    assert 50 <= caught.value.retry_after <= 60
    # Five answers and one refusal; while the pause lasts nobody calls, not even another object.
    with pytest.raises(RateLimitedError):
        of_sandbox(sandbox).fetch_snapshots(legs)
    assert len(sandbox.faults.requests(server="polygon")) == 6


def test_short_wait_is_kept_and_the_call_repeated() -> None:
    refused = httpx.Response(429, headers={"Retry-After": "0"}, json={"error": "wait"})
    source = answering(refused, page(row(CALL)))
    assert len(source.fetch_snapshots([CALL]).items) == 1
    assert source.calls == 2


def test_within_its_budget_it_is_never_refused() -> None:
    with Sandbox(market=Market.simulated(seed=7), limits=True) as sandbox:
        legs = [
            contract
            for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")
            for expiry in sandbox.market.expiries(symbol)[::4]
            for contract in sandbox.market.chain(symbol, expiry)[::40]
        ]
        fetched = of_sandbox(sandbox, calls_per_minute=5).fetch_snapshots(legs)
        statuses = [request.status for request in sandbox.faults.requests(server="polygon")]
    assert statuses == [200] * 5
    assert fetched.items
    assert fetched.left_out
