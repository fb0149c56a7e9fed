"""*slow-clients*: what others wait for while two hundred clients send and read slowly."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.benchmarks.home import WebProcess, home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, median

SLOW = 200
REQUESTS_A_ROUND = 100
BAR = 2.0
#: The longest that a body may take is ten seconds; a round takes less.
_BODY = b"POST /accounts/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\npart"
_HEAD = b"GET / HTTP/1.1\r\nHost: 127.0."
_PREPARED = "/api/portfolio/risk-monitor/fast"
_UNREAD = f"GET {_PREPARED} HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: %s\r\n\r\n"


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.slow_clients:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """Rounds with and without slow clients in turn, on one web process."""
    from config.core.processes.targets import collect_static_files
    from tests.benchmarks.book import make_book, signed_in

    collect_static_files()
    user, cookie = signed_in()
    make_book(user)
    rows = []
    with web_process(dict(os.environ)) as web:
        for name, path in (("a page", "/accounts/login"), ("a prepared body", _PREPARED)):
            times_of(web, path, cookie=cookie)
            alone, beside = [], []
            for _ in range(options.rounds):
                alone.append(p99(times_of(web, path, cookie=cookie)))
                with slow_clients(web.port, cookie):
                    beside.append(p99(times_of(web, path, cookie=cookie)))
            measured, calm = median(beside) * 1000, median(alone) * 1000
            rows.append(
                Row(
                    name=f"{name} beside {SLOW} slow clients: p99 ÷ p99 without",
                    measured=measured / calm,
                    bar=BAR,
                    unit="",
                    note=f"{measured:.1f} and {calm:.1f} ms, the medians of {options.rounds} "
                    f"rounds of {REQUESTS_A_ROUND} requests.",
                )
            )
    return rows


def times_of(web: WebProcess, path: str, *, cookie: str) -> list[float]:
    times = []
    with web.connect(cookie=cookie) as connection:
        for _ in range(REQUESTS_A_ROUND):
            answer = connection.get(path)
            if answer.status != 200:
                raise NotMeasured(f"{path} was answered {answer.status}")
            times.append(answer.last_byte)
    return times


def p99(times: list[float]) -> float:
    return sorted(times)[int((len(times) - 1) * 0.99)]


@contextmanager
def slow_clients(port: int, cookie: str) -> Iterator[None]:
    """Bodies that never come, heads that never end, and answers that nobody takes."""
    kinds: list[Callable[[], bytes]] = [
        lambda: _BODY,
        lambda: _HEAD,
        lambda: (_UNREAD % (port, cookie)).encode(),
    ]
    with ExitStack() as stack:
        for number in range(SLOW):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(kinds[number % len(kinds)]())
        time.sleep(0.5)
        yield
