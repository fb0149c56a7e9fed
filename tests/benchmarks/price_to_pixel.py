"""*price to pixel*: from a price at the simulated streamer to the text of its cell in a browser."""

from __future__ import annotations

from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.live_page:measure_here", environment, options)
