"""*risk page*: how soon the risk monitor's HTML begins to arrive."""

from __future__ import annotations

import os

from tests.benchmarks.client import Connection
from tests.benchmarks.home import home, in_django, web_process
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.processes import processor_seconds
from tests.benchmarks.rounds import Row, interleaved, median

PAGE = "/"
EACH = 20
PAGE_BAR = 50.0


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.risk_page:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """200 positions, one signed-in user, one web process, one client on a kept connection."""
    from django.db.models import F

    from config.core.clock import now
    from config.core.processes.targets import collect_static_files
    from portfolio.models import Account
    from tests.benchmarks.book import make_book, signed_in

    collect_static_files()
    user, cookie = signed_in()
    account = make_book(user)

    def synced(change: int = 0) -> None:
        """As after a sync: nothing is stale; with a change, nothing prepared is good any more."""
        Account.objects.filter(pk=account.pk).update(
            last_synced_at=now(), book_version=F("book_version") + change
        )

    with web_process(dict(os.environ)) as web, web.connect(cookie=cookie) as desk:
        page = _checked(desk, PAGE, at_least=60_000)
        sent = len(desk.get(PAGE).body)

        def after_sync() -> float:
            synced(1)
            return desk.get(PAGE).first_byte

        def cost() -> float:
            synced()
            before = processor_seconds(web.pid)
            for _ in range(EACH):
                desk.get(PAGE)
            return (processor_seconds(web.pid) - before) / EACH

        times = interleaved(
            {"page": lambda: desk.get(PAGE).first_byte}, rounds=options.rounds, each=EACH
        )
        more = interleaved({"after sync": after_sync, "page cost": cost}, rounds=options.rounds)
    middle = {name: median(values) * 1000 for name, values in (times | more).items()}
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
                else "Below the 20 ms at which the target range begins."
            )
            + f" Processor time a page: {middle['page cost']:.1f} ms.",
        ),
        Row(
            name="risk page: bytes sent ÷ a tenth of the HTML",
            measured=sent / 1000,
            bar=len(page) / 10_000,
            unit="kB",
            note="To a browser that takes gzip.",
        ),
        Row(
            name="risk page: first one after a sync",
            measured=middle["after sync"],
            unit="ms",
            note="As above, but the book's new version is read and summed for this request.",
        ),
    ]


def _checked(desk: Connection, path: str, *, at_least: int) -> bytes:
    """Return the decoded body, once it is known to be the whole one. Raises ``NotMeasured``."""
    answer = desk.get(path)
    body = answer.content
    if answer.status != 200 or len(body) < at_least:
        raise NotMeasured(f"{path}: status {answer.status}, {len(body)} bytes")
    return body
