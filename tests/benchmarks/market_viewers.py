"""*market-viewers*: a thousand pages of the demo's market on one web process."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis import Redis

from tests.benchmarks.client import Connection
from tests.benchmarks.memory import counted, parts, running_demo, weigh
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import children, name_of, processor_seconds
from tests.benchmarks.rounds import Row
from tests.benchmarks.socket_load import Sockets
from tests.benchmarks.viewer_load import Viewers, watching

VIEWERS = 1000
POLL_SECONDS = 30.0
#: Three polls of each viewer, two minutes closed at least.
HELD_SECONDS = 100.0
PUSH_SECONDS = 5.0
MEMORY_BAR = 280.0
# Memory of the whole desk in MB: the target, and the ceiling.
_DESK_BARS = (400, 512)
_LONGEST_START = 120.0
DATA = "/market/data"


def measure(options: Options) -> list[Row]:
    """Measured once, like the idle demo: it is not a matter of rounds."""
    with (
        tempfile.TemporaryDirectory(prefix="gd-bench-") as folder,
        running_demo(folder) as (
            pid,
            port,
        ),
    ):
        body = _market(port)
        redis = Redis.from_url((Path(folder) / "redis_url").read_text().strip())
        time.sleep(options.idle)
        idle = counted(weigh(pid))
        web = _web(pid)
        viewers = Viewers(
            sockets=Sockets(
                port=port,
                path=f"/ws/market/{body['slug']}",
                cookie="",
                origin=f"http://127.0.0.1:{port}",
                sockets=VIEWERS,
            ),
            body_path=DATA,
            every=POLL_SECONDS,
        )
        with watching(viewers) as watched:
            used, begun = processor_seconds(web), time.monotonic()
            while time.monotonic() - begun < HELD_SECONDS:
                _push(redis, body)
                time.sleep(PUSH_SECONDS)
            used = (processor_seconds(web) - used) / (time.monotonic() - begun)
            weights = weigh(pid)
            watched.finish()
    if set(watched.statuses) - {"200", "304"} or not watched.polls:
        raise NotMeasured(f"polls were answered {watched.statuses}")
    return _rows(watched.polls, watched.pushes, watched.statuses, weights, idle, used)


def _rows(
    polls: list[float],
    pushes: list[float],
    statuses: Mapping[str, int],
    weights: Mapping[str, float],
    idle: float,
    used: float,
) -> list[Row]:
    polls, pushes = sorted(polls), sorted(pushes)
    weight = counted(weights)
    document = ", ".join(f"{weight / bar:.2f} of {bar}" for bar in _DESK_BARS)
    return [
        Row(
            name=f"{VIEWERS} viewers: p99 of a poll",
            measured=_part(polls, 0.99) * 1000,
            unit="ms",
            note=f"{len(polls)} polls in {HELD_SECONDS:.0f} s, each on a new connection: "
            f"{statuses.get('200', 0)} with the body, {statuses.get('304', 0)} unchanged. Median "
            f"{_part(polls, 0.5) * 1000:.1f} ms, the slowest {polls[-1] * 1000:.0f}.",
        ),
        Row(
            name=f"{VIEWERS} viewers: p99 of a push",
            measured=_part(pushes, 0.99) * 1000,
            unit="ms",
            note=f"{len(pushes)} frames, a push in {PUSH_SECONDS:.0f} s beside the poll's own, "
            f"from the announcement in another process to the frame at the client. Median "
            f"{_part(pushes, 0.5) * 1000:.0f} ms, the last {pushes[-1] * 1000:.0f}.",
        ),
        Row(
            name=f"{VIEWERS} viewers: processor time of the web process",
            measured=used * 100,
            unit="%",
            note="Of one core, all that it does: polls, pushes, closed minutes.",
        ),
        Row(
            name=f"memory under {VIEWERS} viewers: web + worker + beat + Valkey",
            measured=weight,
            bar=MEMORY_BAR,
            unit="MB",
            note=f"PSS at the end, {idle:.0f} before they came; {document}. {parts(weights)}.",
        ),
    ]


def _part(values: list[float], share: float) -> float:
    """Return a quantile of sorted values."""
    if not values:
        raise NotMeasured("no timed frame arrived")
    return values[int((len(values) - 1) * share)]


def _market(port: int) -> dict[str, Any]:
    """Return the body of the demo's market, when it has one."""
    deadline = time.monotonic() + _LONGEST_START
    while time.monotonic() < deadline:
        with Connection(port) as connection:
            if connection.get(DATA).status == 200:
                return _body(port)
        time.sleep(0.5)
    raise NotMeasured("the demo shows no market")


def _body(port: int) -> dict[str, Any]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", DATA)
    body: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return body


def _web(pid: int) -> int:
    for child in children(pid):
        if name_of(child).startswith("desk-web"):
            return child
    raise NotMeasured("no web process")


def _push(redis: Redis, body: Mapping[str, Any]) -> None:
    """A sample as the poll announces it, two kilobytes large, with the moment it is sent at."""
    sums = {
        greek: dict.fromkeys(("call", "put", "total"), 1234.5678901234567)
        for greek in ("delta", "gamma", "theta", "vega")
    }
    data = {
        "slot": "2026-01-01T00:00:00+05:30",
        "minute": "2026-01-01T00:00:00+05:30",
        "as_of": None,
        "sums": sums,
        "vendor": sums,
        "filling": "x" * 900,
        "sent": f"{time.monotonic():.6f}",
    }
    message = {"type": "market.sampled", "data": data, "version": 0}
    group = f"market.{body['slug']}.{body['expiry']}"
    redis.publish(f"greekdesk:hub:{group}", json.dumps(message))
