"""*risk page*: how soon the risk monitor's HTML begins to arrive, and what its API costs."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.client import Connection
from tests.benchmarks.home import home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import processor_seconds
from tests.benchmarks.rounds import Row, interleaved, median

PAGE = "/"
FAST = "/api/portfolio/risk-monitor/fast"
EACH = 20
PAGE_BAR = 50.0
FAST_BAR = 8.0


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.risk_page:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """200 positions, one signed-in user, one web process, one client on a kept connection."""
    from django.db.models import F

    from config.core.clock import now
    from config.core.supervision.targets import collect_static_files
    from portfolio.models import Account
    from tests.benchmarks.book import make_book, signed_in

    collect_static_files()
    user, cookie = signed_in()
    account = make_book(user)
    body = Path(os.environ["VAR_DIR"]) / "body"

    def synced(change: int = 0) -> None:
        """As after a sync: nothing is stale; with a change, nothing prepared is good any more."""
        Account.objects.filter(pk=account.pk).update(
            last_synced_at=now(), book_version=F("book_version") + change
        )

    environment = dict(os.environ)
    with web_process(environment) as web, web.connect(cookie=cookie) as desk:
        page = _checked(desk, PAGE, at_least=60_000)
        body.write_bytes(_checked(desk, FAST, at_least=20_000))
        with (
            web_process(
                environment | {"BARE_BODY": str(body)},
                application="tests.benchmarks.bare:application",
            ) as bare,
            bare.connect(cookie=cookie) as plain,
        ):

            def after_sync() -> float:
                synced(1)
                return desk.get(PAGE).first_byte

            def cost(pid: int, get: Callable[[], object], times: int) -> Callable[[], float]:
                def measured() -> float:
                    synced()
                    before = processor_seconds(pid)
                    for _ in range(times):
                        get()
                    return (processor_seconds(pid) - before) / times

                return measured

            times = interleaved(
                {
                    "page": lambda: desk.get(PAGE).first_byte,
                    "fast": lambda: desk.get(FAST).last_byte,
                    "bare": lambda: plain.get("/").last_byte,
                },
                rounds=options.rounds,
                each=EACH,
            )
            more = interleaved(
                {
                    "after sync": after_sync,
                    "page cost": cost(web.pid, lambda: desk.get(PAGE), EACH),
                    "fast cost": cost(web.pid, lambda: desk.get(FAST), EACH),
                    "bare cost": cost(bare.pid, lambda: plain.get("/"), 10 * EACH),
                },
                rounds=options.rounds,
            )
    middle = {name: median(values) * 1000 for name, values in (times | more).items()}
    share = middle["bare cost"] / middle["fast cost"]
    place = (middle["page"] - 20) / 30
    return [
        Row(
            name="risk page: HTML, first byte",
            measured=middle["page"],
            bar=PAGE_BAR,
            unit="ms",
            note=f"{len(page) / 1000:.0f} kB of HTML, 200 positions, warm. "
            + (
                f"At {place:.0%} of the way from 20 to 50 ms."
                if place > 0
                else "Below the 20 ms at which the document's range begins."
            )
            + f" Processor time a page: {middle['page cost']:.1f} ms.",
        ),
        Row(
            name="risk page: first one after a sync",
            measured=middle["after sync"],
            unit="ms",
            note="As above, but the book's new version is read and summed for this request.",
        ),
        Row(
            name="risk-monitor/fast: p50 at 1 client",
            measured=middle["fast"],
            bar=FAST_BAR,
            unit="ms",
            note=f"{body_kilobytes(body):.0f} kB of JSON to its last byte; "
            f"processor time a request: {middle['fast cost']:.2f} ms.",
        ),
        Row(
            name="risk-monitor/fast: share of bare",
            measured=100 * share,
            unit="%",
            note="Requests a second that one core can give, of a bare ASGI application's under "
            f"the same server with the same bytes ({1000 / middle['fast cost']:.0f} of "
            f"{1000 / middle['bare cost']:.0f}); the front door that is to reach 80 % is not "
            "built yet.",
        ),
    ]


def _checked(desk: Connection, path: str, *, at_least: int) -> bytes:
    """The decoded body, once it is known to be the whole one. Raises ``NotMeasured``."""
    answer = desk.get(path)
    body = gzip.decompress(answer.body) if answer.body[:2] == b"\x1f\x8b" else answer.body
    if answer.status != 200 or len(body) < at_least:
        raise NotMeasured(f"{path}: status {answer.status}, {len(body)} bytes")
    return body


def body_kilobytes(path: Path) -> float:
    return path.stat().st_size / 1000
