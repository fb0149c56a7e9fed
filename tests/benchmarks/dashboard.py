"""*dashboard*: its sections one after another without a cache, beside the one call that reads them.

Gamma exposure comes from the sandbox's Cboe, whose chain is fetched anew for each computation.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.benchmarks.home import WebProcess, home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import processor_seconds
from tests.benchmarks.rounds import Row, interleaved, median, seconds

if TYPE_CHECKING:
    from auth_tokens.models import User
    from config.core.sandbox.server import Sandbox

PATH = "/api/dashboard"
USERS, SECONDS = 100, 60.0
ANSWERS = 200
#: Document 002: from five seconds to one.
WARM_BAR = 0.2
MISSES_BAR = 0.2
#: So that 100 users who ask again at once, of one process, wait less than a second each.
CPU_BAR_MS, P95_BAR_MS = 8.0, 1000.0
# Without Redis, or without the provider, it may cost what it cost before, and no more.
DEGRADED_BAR = 1.0
NOWHERE = "unix:///nonexistent/greekdesk.sock"


def measure(options: Options) -> list[Row]:
    with home(GEX_SYMBOLS="SPY", CBOE_REFRESH_SECONDS="0") as environment:
        return in_django("tests.benchmarks.dashboard:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """200 positions of one signed-in user on SQLite."""
    from django.conf import settings

    from config.core.sandbox.server import Sandbox, open_market
    from tests.benchmarks.book import make_book, signed_in

    user, cookie = signed_in()
    make_book(user)
    with Sandbox(market=open_market(seed=7), limits=False) as sandbox:
        settings.CBOE_URL = os.environ["CBOE_URL"] = sandbox.url("cboe")
        ways = _ways(user, sandbox)
        figures = interleaved(ways, rounds=options.rounds)
        with web_process(os.environ) as web:
            warm_cpu = _cpu_of_warm(web, cookie)
            watched = asyncio.run(_watch(web.port, cookie))
    ms = {name: median(values) * 1000 for name, values in figures.items()}
    baseline = ms["one after another"]
    note = f"The sections one after another take {baseline:.0f} ms."
    rows = [
        Row(name=f"dashboard {name} ÷ uncached", measured=ms[name] / baseline, bar=bar, unit="×")
        for name, bar in (
            ("cold", DEGRADED_BAR),
            ("warm", WARM_BAR),
            ("Redis down", DEGRADED_BAR),
            ("provider down", DEGRADED_BAR),
        )
    ]
    p95 = sorted(watched.times)[int(0.95 * len(watched.times))] * 1000
    return [
        Row(name="dashboard: sections uncached", measured=baseline, unit="ms", note=note),
        *rows,
        Row(name="dashboard warm: CPU", measured=warm_cpu * 1000, bar=CPU_BAR_MS, unit="ms"),
        Row(
            name="dashboard, 100 users: p95 ÷ 100 uncached",
            measured=p95 / (USERS * baseline),
            bar=WARM_BAR,
            unit="×",
            note=f"{len(watched.times)} answers in {SECONDS:.0f} s.",
        ),
        Row(name="dashboard, 100 users: p95", measured=p95, bar=P95_BAR_MS, unit="ms"),
        Row(
            name="dashboard, 100 users: share of misses",
            measured=watched.misses / max(1, watched.hits + watched.misses),
            bar=MISSES_BAR,
            unit="",
        ),
    ]


def _ways(user: User, sandbox: Sandbox) -> dict[str, Callable[[], float]]:
    """Return what is compared; each returns the seconds that it took."""
    from django.test import override_settings

    from config.core.caching.reading import manager
    from config.core.redis.process_copies import forget_process_copies
    from portfolio.dashboard.reading import Asked, read_dashboard
    from portfolio.dashboard.sections import dashboard_resources

    def ask() -> None:
        dashboard = read_dashboard(Asked(user))
        if dashboard.errors:
            raise NotMeasured(f"sections failed: {dict(dashboard.errors)}")
        dashboard.to_json()

    def one_after_another() -> None:
        for each in dashboard_resources():
            each.read(each.ask(user))

    def cold() -> float:
        manager.invalidate("*")
        return seconds(ask)

    def warm() -> float:
        ask()
        return seconds(ask)

    def without_redis() -> float:
        from django.conf import settings

        caches = {"default": settings.CACHES["default"] | {"LOCATION": NOWHERE}}
        with override_settings(CACHES=caches):
            spent = seconds(ask)
        forget_process_copies()
        return spent

    def without_provider() -> float:
        manager.invalidate("*")
        ask()
        manager.invalidate("gex:*")
        faults = sandbox.faults
        faults.add(status=503, times=None)
        try:
            # The last snapshot, or the section's error: the others answer all the same.
            return seconds(lambda: read_dashboard(Asked(user)).to_json())
        finally:
            faults.clear()
            forget_process_copies()

    return {
        "one after another": lambda: seconds(one_after_another),
        "cold": cold,
        "warm": warm,
        "Redis down": without_redis,
        "provider down": without_provider,
    }


def _cpu_of_warm(web: WebProcess, cookie: str) -> float:
    """Return the CPU seconds of the web process that a warm answer costs one client, compressed."""
    with web.connect(cookie=cookie) as connection:

        def ask(times: int) -> None:
            for _ in range(times):
                if connection.get(PATH).status != 200:
                    raise NotMeasured("the dashboard did not answer")

        # The first are Django's, which the front door learns from.
        ask(5)
        time.sleep(1.0)
        ask(5)
        begun = processor_seconds(web.pid)
        ask(ANSWERS)
        return (processor_seconds(web.pid) - begun) / ANSWERS


@dataclass
class Watched:
    """What 100 users saw."""

    times: list[float] = field(default_factory=list)
    hits: int = 0
    misses: int = 0


async def _watch(port: int, cookie: str) -> Watched:
    """Have each user ask again as soon as they are answered."""
    watched = Watched()
    until = time.perf_counter() + SECONDS
    await asyncio.gather(*(_user(port, cookie, until, watched) for _ in range(USERS)))
    return watched


async def _user(port: int, cookie: str, until: float, watched: Watched) -> None:
    request = (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
        "Accept-Encoding: identity\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        while time.perf_counter() < until:
            begun = time.perf_counter()
            writer.write(request)
            body = await _answer(reader)
            watched.times.append(time.perf_counter() - begun)
            watched.hits += len(body["metadata"]["cache_hits"])
            watched.misses += len(body["metadata"]["cache_misses"])
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Any:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise NotMeasured(f"not 200: {head[:200]!r}")
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return json.loads(await reader.readexactly(length))
