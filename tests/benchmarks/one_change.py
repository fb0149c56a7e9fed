"""*one-change*: what a live page's reading costs when one of 200 positions changed."""

from __future__ import annotations

import time
from decimal import Decimal

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median

BAR = 0.75


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.one_change:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """One position's price is changed and the version raised before each reading."""
    from django.db.models import F

    from portfolio.book import rows
    from portfolio.models import Account, Position
    from portfolio.risk_monitor.feed import BookFeed, changes
    from tests.benchmarks.book import make_book, signed_in

    user, _ = signed_in()
    account = make_book(user)
    moved = Position.objects.filter(account=account).values_list("pk", flat=True)[7]
    feed = BookFeed((account.pk,))
    feed.state = feed.read(None)

    def reading(*, whole: bool) -> float:
        Position.objects.filter(pk=moved).update(price=F("price") + Decimal("0.01"))
        Account.objects.filter(pk=account.pk).update(book_version=F("book_version") + 1)
        if whole:
            rows._kept.clear()
        begun = time.process_time()
        before, feed.state = feed.state, feed.read(feed.state)
        told = changes(before, feed.state)
        taken = time.process_time() - begun
        if told is None or len(told["positions"]) != 1:
            raise AssertionError("not one change")
        return taken

    times = interleaved(
        {"changed": lambda: reading(whole=False), "whole": lambda: reading(whole=True)},
        rounds=options.rounds,
        each=5,
    )
    changed, whole = (median(times[name]) * 1000 for name in ("changed", "whole"))
    return [
        Row(
            name="one change of 200 positions ÷ a whole reading",
            measured=changed / whole,
            bar=BAR,
            unit="",
            note=f"{changed:.1f} and {whole:.1f} ms of processor time.",
        )
    ]
