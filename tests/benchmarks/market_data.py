"""*market-data*: ``/market/data`` of a whole day, hot and public, beside bare ASGI."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.home import WebProcess, home, in_django, web_process
from tests.benchmarks.http_load import Load, Loaded, run_load
from tests.benchmarks.market import MINUTES, make_market
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import processor_seconds
from tests.benchmarks.rounds import Row, interleaved, median

DATA = "/market/data"
#: A share is held from above: measured is what bare costs more, as bare ÷ door.
SHARE = 0.90
CONNECTIONS = 32
SECONDS = 1.0
_BARE = "tests.benchmarks.bare:application"
# What the bare application, or the server for it, says by itself.
_OWN = frozenset({"content-length", "content-type", "date"})
#: The whole day, and what a phone on a delta slider asks for.
QUERIES = {"": "the whole day", "?resolution=15m&delta_min=0.3": "15 minutes, a range"}


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.market_data:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    make_market()
    environment = dict(os.environ)
    rows = []
    with web_process(environment) as web:
        for query, words in QUERIES.items():
            rows += [
                _row(web, environment, DATA + query, form, words, options)
                for form in ("identity", "br")
            ]
        rows.append(_django(web, options))
    return rows


def _row(
    web: WebProcess,
    environment: dict[str, str],
    path: str,
    form: str,
    words: str,
    options: Options,
) -> Row:
    """Compare the door's processor time per answer with a bare application's, same bytes."""

    def load(process: WebProcess, asked: str, seconds: float = SECONDS) -> Loaded:
        return run_load(
            Load(
                port=process.port,
                path=asked,
                cookie="",
                accept_encoding=form,
                connections=CONNECTIONS,
                seconds=seconds,
            )
        )

    folder = Path(os.environ["VAR_DIR"])
    deadline = time.monotonic() + 20
    while _went_through_django(web, path, form):
        if time.monotonic() > deadline:
            raise NotMeasured("the front door does not answer")
    answer, bytes_sent = _ask(web, path, form)
    body, headers = folder / f"market-{form}-{len(path)}", folder / f"headers-{form}-{len(path)}"
    body.write_bytes(bytes_sent)
    headers.write_text(json.dumps([h for h in answer.getheaders() if h[0].lower() not in _OWN]))
    thin_environment = environment | {"BARE_BODY": str(body)}
    bare_environment = thin_environment | {"BARE_HEADERS": str(headers)}
    with (
        web_process(bare_environment, application=_BARE) as bare,
        web_process(thin_environment, application=_BARE) as thin,
    ):
        costs: dict[str, list[float]] = {"door": [], "bare": [], "thin": []}
        clients: list[float] = []

        def one(name: str, process: WebProcess, asked: str) -> Callable[[], float]:
            def measured() -> float:
                # The minute for which the door knows the query string may be over.
                load(process, asked, 0.2)
                before = processor_seconds(process.pid)
                loaded = load(process, asked)
                costs[name].append((processor_seconds(process.pid) - before) / loaded.requests)
                clients.append(loaded.client_load)
                return loaded.per_second

            return measured

        rates = interleaved(
            {
                "door": one("door", web, path),
                "bare": one("bare", bare, "/"),
                "thin": one("thin", thin, "/"),
            },
            rounds=options.rounds,
        )
    cost = {name: median(values[1:]) * 1e6 for name, values in costs.items()}
    pairs = [d / b for d, b in zip(rates["door"], rates["bare"], strict=True)]
    return Row(
        name=f"market/data hot, {words}, {form}: {SHARE:.0%} of bare ÷ its share",
        measured=SHARE / (cost["bare"] / cost["door"]),
        bar=1.0,
        unit="",
        note=f"{len(bytes_sent) / 1000:.0f} kB, {CONNECTIONS} connections. Requests that one core "
        f"gives in a second: {1e6 / cost['door']:.0f} of the {1e6 / cost['bare']:.0f} of a bare "
        f"application that sends the same bytes, head and body, a share of "
        f"{cost['bare'] / cost['door']:.2f}; {cost['thin'] / cost['door']:.2f} of one with two "
        f"headers instead of a dozen. Counted by the clock: {median(rates['door']):.0f} of "
        f"{median(rates['bare']):.0f}, median of the rounds' shares {median(pairs):.2f}. The "
        f"client used {median(clients):.0%} of its core.",
    )


def _django(web: WebProcess, options: Options) -> Row:
    """Measure the cost of a new question: its body is made from rows in memory."""
    questions = iter(range(10_000))

    def unknown() -> float:
        number = next(questions)
        path = f"{DATA}?delta_min=0.{number % 20 * 5:02d}&resolution=1m&&{'&' * number}"
        with web.connect() as connection:
            return connection.get(path).last_byte

    def hot() -> float:
        with web.connect() as connection:
            return connection.get(DATA).last_byte

    times = interleaved({"new": unknown, "hot": hot}, rounds=options.rounds, each=10)
    return Row(
        name="market/data, a question that the door does not know: p50 at 1 client",
        measured=median(times["new"]) * 1000,
        unit="ms",
        note=f"{MINUTES} minutes; the first of each range makes its body. At the door "
        f"{median(times['hot']) * 1000:.2f} ms, connection and all.",
    )


def _ask(web: WebProcess, path: str, form: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.request("GET", path, headers={"Accept-Encoding": form})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or (answer.getheader("Content-Encoding") or "identity") != form:
        raise NotMeasured(f"{path}: {answer.status}, {answer.getheader('Content-Encoding')}")
    return answer, body


def _went_through_django(web: WebProcess, path: str, form: str) -> bool:
    """Django takes some milliseconds; the door takes none."""
    _ask(web, path, form)
    begun = time.perf_counter()
    _ask(web, path, form)
    if time.perf_counter() - begun < 0.0025:
        return False
    time.sleep(0.1)
    return True
