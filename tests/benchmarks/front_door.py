"""*front door*: the risk monitor's API at both doors, beside a bare ASGI application."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.home import WebProcess, home, in_django, web_process
from tests.benchmarks.http_load import Load, Loaded, run_load
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import processor_seconds
from tests.benchmarks.rounds import Row, interleaved, median

FAST = "/api/portfolio/risk-monitor/fast"
#: A share is held from above: measured is what bare costs more, as bare ÷ door.
SHARE = 0.80
DJANGO_BAR = 8.0
CONNECTIONS = 32
SECONDS = 1.0
#: A parameter that changes nothing sends the request to Django.
DJANGOS = f"{FAST}?refresh_greeks_async=true"


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.front_door:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    from tests.benchmarks.book import make_book, signed_in

    user, cookie = signed_in()
    account_id = make_book(user).pk
    environment = dict(os.environ)
    rows = []
    with web_process(environment) as web:
        for form in ("identity", "br"):
            rows += _row(web, environment, cookie, account_id, form, options)
        with web.connect(cookie=cookie) as desk:

            def at_django() -> float:
                _keep_fresh(account_id)
                return desk.get(DJANGOS).last_byte

            def at_door() -> float:
                return desk.get(FAST).last_byte

            times = interleaved(
                {"django": at_django, "door": at_door}, rounds=options.rounds, each=20
            )
    rows.append(
        Row(
            name="Django door: p50 at 1 client",
            measured=median(times["django"]) * 1000,
            bar=DJANGO_BAR,
            unit="ms",
            note=f"At the front door {median(times['door']) * 1000:.2f} ms.",
        )
    )
    return rows


def _row(
    web: WebProcess,
    environment: dict[str, str],
    cookie: str,
    account_id: str,
    form: str,
    options: Options,
) -> list[Row]:
    """Requests a second at the front door as a share of bare, the same bytes on both sides."""

    def load(process: WebProcess, path: str, seconds: float = SECONDS) -> Loaded:
        return run_load(
            Load(
                port=process.port,
                path=path,
                cookie=cookie,
                accept_encoding=form,
                connections=CONNECTIONS,
                seconds=seconds,
            )
        )

    _keep_fresh(account_id)
    deadline = time.monotonic() + 20
    while load(web, FAST, 0.2).per_second < 2000:
        # Django answers some hundreds a second: the grant is not made yet.
        if time.monotonic() > deadline:
            raise NotMeasured("the front door does not answer")
    body = Path(os.environ["VAR_DIR"]) / f"body-{form}"
    body.write_bytes(_body(web, cookie, form))
    bare_environment = environment | {"BARE_BODY": str(body)}
    with web_process(bare_environment, application="tests.benchmarks.bare:application") as bare:
        costs: dict[str, list[float]] = {"door": [], "bare": []}
        shares: list[float] = []

        def one(name: str, process: WebProcess, path: str) -> Callable[[], float]:
            def measured() -> float:
                _keep_fresh(account_id)
                # The grant's minute may be over, and the new version has to be built.
                load(process, path, 0.2)
                before = processor_seconds(process.pid)
                loaded = load(process, path)
                used = processor_seconds(process.pid) - before
                costs[name].append(used / loaded.requests)
                shares.append(loaded.client_load)
                return loaded.per_second

            return measured

        rates = interleaved(
            {"door": one("door", web, FAST), "bare": one("bare", bare, "/")},
            rounds=options.rounds,
        )
    middle = {name: median(values) for name, values in rates.items()}
    cost = {name: median(values[1:]) * 1e6 for name, values in costs.items()}
    pairs = [d / b for d, b in zip(rates["door"], rates["bare"], strict=True)]
    size = body.stat().st_size / 1000
    return [
        Row(
            name=f"front door, {form}: {SHARE:.0%} of bare ÷ its share",
            measured=SHARE / (cost["bare"] / cost["door"]),
            bar=1.0,
            unit="",
            note=f"{size:.0f} kB, {CONNECTIONS} connections. Requests that one core gives in a "
            f"second: {1e6 / cost['door']:.0f} of bare's {1e6 / cost['bare']:.0f}, a share of "
            f"{cost['bare'] / cost['door']:.2f}. Counted by the clock, with whatever else the "
            f"machine did: {middle['door']:.0f} of {middle['bare']:.0f}, median of the rounds' "
            f"shares {median(pairs):.2f}. The client used {median(shares):.0%} of its core.",
        )
    ]


def _body(web: WebProcess, cookie: str, form: str) -> bytes:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.request("GET", FAST, headers={"Cookie": cookie, "Accept-Encoding": form})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or (answer.getheader("Content-Encoding") or "identity") != form:
        raise NotMeasured(f"{FAST}: {answer.status}, {answer.getheader('Content-Encoding')}")
    return body


def _keep_fresh(account_id: str) -> None:
    """As after a sync: nothing is stale, and nothing asks for a refresh."""
    from config.core.clock import now
    from portfolio.models import Account

    Account.objects.filter(pk=account_id).update(last_synced_at=now())
