"""*1000 sockets*: a push of 2 KB a second to a thousand pages of one web process."""

from __future__ import annotations

import os
import time

from tests.benchmarks.home import home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import processor_seconds, proportional_megabytes
from tests.benchmarks.rounds import Row, median
from tests.benchmarks.socket_load import Sockets, open_sockets

SOCKETS = 1000
PUSH_BYTES = 2048
PUSHES_A_ROUND = 4
LATENCY_BAR, CPU_BAR, MEMORY_BAR, RECHECK_BAR = 50.0, 40.0, 40.0, 0.1
ORIGIN = "http://127.0.0.1"


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.sockets_1000:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """From the announcement in another process, over Redis and the hub, to the last socket."""
    from config.core.front_door.grants import ACCESS_GROUP
    from config.core.live.hub import announce
    from tests.benchmarks.book import make_book, signed_in

    user, cookie = signed_in()
    account = make_book(user, positions=2)
    with web_process(dict(os.environ) | {"WEBSOCKET_ORIGINS": ORIGIN}) as web:
        wanted = Sockets(
            port=web.port, path="/ws/portfolio", cookie=cookie, origin=ORIGIN, sockets=SOCKETS
        )
        few = Sockets(port=web.port, path="/ws/portfolio", cookie=cookie, origin=ORIGIN, sockets=20)
        with open_sockets(few) as warm:
            # What the first sockets load and start is not theirs alone.
            _push(account.pk)
            time.sleep(1)
            warm.finish()
        time.sleep(1)
        empty = proportional_megabytes(web.pid)
        with open_sockets(wanted) as opened:
            _push(account.pk)
            time.sleep(2)
            weight = (proportional_megabytes(web.pid) - empty) * 1000 / SOCKETS
            costs, rechecks = [], []
            for _ in range(options.rounds):
                before = processor_seconds(web.pid)
                for _ in range(PUSHES_A_ROUND):
                    _push(account.pk)
                    time.sleep(1)
                costs.append(processor_seconds(web.pid) - before)
                before = processor_seconds(web.pid)
                # What the minute's end makes each watch do, at once.
                announce(ACCESS_GROUP, {"type": "access.revoked", "user_id": user.pk})
                time.sleep(1)
                rechecks.append(processor_seconds(web.pid) - before)
            opened.finish()
    pushes = 1 + options.rounds * PUSHES_A_ROUND
    arrivals = opened.arrivals
    if len(arrivals) != pushes * SOCKETS:
        raise NotMeasured(f"{len(arrivals)} frames of {pushes * SOCKETS} arrived")
    # They came in the order of the pushes; the first push after opening warms up.
    size = SOCKETS * PUSHES_A_ROUND
    rounds = [
        sorted(arrivals[start : start + size]) for start in range(SOCKETS, len(arrivals), size)
    ]
    p99 = median([one[int(size * 0.99)] for one in rounds]) * 1000
    every = sorted(arrivals[SOCKETS:])
    cost = median(costs) * 1000 / PUSHES_A_ROUND
    kilobytes = opened.frame_bytes / 1000
    return [
        Row(
            name=f"{SOCKETS} sockets: p99 of a push",
            measured=p99,
            bar=LATENCY_BAR,
            unit="ms",
            note=f"{pushes} pushes of {kilobytes:.1f} kB, one a second, from the announcement in "
            f"another process to the frame at the client; median of the rounds' p99. All rounds "
            f"together: median {every[len(every) // 2] * 1000:.0f} ms, "
            f"p99 {every[int(len(every) * 0.99)] * 1000:.0f}, the last {every[-1] * 1000:.0f}.",
        ),
        Row(
            name=f"{SOCKETS} sockets: processor time of a push",
            measured=cost,
            bar=CPU_BAR,
            unit="ms",
            note="All that the web process uses in a second with one push: sending it, and holding "
            "the sockets.",
        ),
        Row(
            name=f"{SOCKETS} sockets: recheck of their session each minute",
            measured=median(rechecks) / 60 * 100,
            bar=RECHECK_BAR,
            unit="%",
            note=f"Of a core: {median(rechecks) * 1000:.0f} ms in the second in which the session "
            "is read again and all are told.",
        ),
        Row(
            name=f"{SOCKETS} sockets: memory of one",
            measured=weight,
            bar=MEMORY_BAR,
            unit="kB",
            note="What the web process grew by (PSS) while they were opened.",
        ),
    ]


def _push(account_id: str) -> None:
    """The progress of a sync, which is forwarded at once, with a text that makes it 2 KB."""
    from config.core.live.hub import announce
    from portfolio.sync.progress import account_group

    message = {
        "type": "sync.progressed",
        "run_id": "bench",
        "account_id": account_id,
        "step": "positions",
        "progress": 40,
        "outcome": "running",
        "error": "x" * (PUSH_BYTES - 220),
        "sent": f"{time.monotonic():.6f}",
    }
    announce(account_group(account_id), message)
