"""*chain poll*: the processor time of one poll of 200 contracts, from the bytes to the frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from greeks.chains import Listing, OptionChain
from tests.benchmarks.home import home, in_django
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median

CONTRACTS = 200
BAR = 3.0
EACH = 100
KEY = "NSE_INDEX|Nifty 50"
#: A Friday in session; every poll has a slot of its own from here on.
START = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
EXPIRY = date(2026, 12, 1)


def measure(options: Options) -> list[Row]:
    with home() as environment:
        return in_django("tests.benchmarks.chain_poll:measure_here", environment, options)


def measure_here(options: Options) -> list[Row]:
    """Upstox's answer, as the sandbox sends it, through the desk's own adapter and services."""
    from greeks.maths.aggregation import sum_chain
    from greeks.models import PolledInstrument
    from greeks.polling import providers as chain_providers
    from greeks.polling.fill import ChainTerms, fill_greeks
    from greeks.polling.poll import Outcome, poll_chain

    body = _answer()
    setattr(chain_providers, "open_chain_provider", lambda _: _Recorded(body))  # noqa: B010
    PolledInstrument.objects.all().delete()
    PolledInstrument.objects.create(
        slug="nifty-50", name="Nifty 50", instrument_key=KEY, underlying="NIFTY", rate=0.065
    )
    slots = iter(range(1_000_000))
    chain = _Recorded(body).fetch_chain(KEY, EXPIRY)
    expires_at = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
    terms = ChainTerms(at=START, expires_at=expires_at, rate=0.065)
    filled = fill_greeks(chain, terms)

    def poll() -> None:
        slot = START + timedelta(seconds=5 * next(slots))
        done = poll_chain(slug="nifty-50", expiry=EXPIRY, slot=slot, every_seconds=5)
        if done.outcome is not Outcome.SAMPLED:
            raise AssertionError(f"a poll ended as {done.outcome}: {done.error}")

    figures = interleaved(
        {
            "poll": lambda: _processor_time(poll),
            "parse": lambda: _processor_time(lambda: _Recorded(body).fetch_chain(KEY, EXPIRY)),
            "sum": lambda: _processor_time(lambda: sum_chain(chain, filled)),
            "fill": lambda: _processor_time(lambda: fill_greeks(chain, terms)),
        },
        rounds=options.rounds,
    )
    ms = {name: median(values) for name, values in figures.items()}
    missing = sum_chain(chain).contracts_without_greeks
    return [
        Row(
            name="chain poll: parse, fill, sum, publish",
            measured=ms["poll"],
            bar=BAR,
            unit="ms",
            note=f"{len(chain)} contracts in {len(body) // 1000} kB; {missing} of them had no "
            f"Greeks; processor time",
        ),
        Row(name="of which: parse", measured=ms["parse"], unit="ms"),
        Row(name="of which: fill", measured=ms["fill"], unit="ms"),
        Row(name="of which: sum", measured=ms["sum"], unit="ms"),
    ]


class _Recorded:
    """The adapter's decoding of one answer, without the wire."""

    source = "upstox"

    def __init__(self, body: bytes) -> None:
        self._body = body

    def fetch_listing(self, instrument_key: str) -> Listing:
        return Listing(source=self.source, instrument_key=instrument_key, expiries=(), as_of=START)

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        from config.core.http.responses import Answer
        from greeks.providers.upstox.chains import decode_chain

        answer = Answer("upstox", "recorded", 200, {"content-type": "application/json"}, self._body)
        return decode_chain(answer, instrument_key=instrument_key, expiry=expiry, as_of=START)

    def close(self) -> None:
        return None


def _answer() -> bytes:
    """Return the body of ``/v2/option/chain`` for the 200 contracts around the money."""
    import msgspec

    from greeks.sandbox.market import Market
    from greeks.sandbox.upstox.payloads import chain_rows, previous_interest

    market = Market.simulated(seed=1, start=START)
    contracts = market.chain("NIFTY", EXPIRY)
    first = (len(contracts) - CONTRACTS) // 4 * 2
    chosen = contracts[first : first + CONTRACTS]
    rows = chain_rows(market, chosen, previous_interest(market, chosen), market.seconds())
    return msgspec.json.encode({"status": "success", "data": rows})


def _processor_time(call: Callable[[], object]) -> float:
    """Milliseconds of this process's processor time a call, over many."""
    begun = time.process_time()
    for _ in range(EACH):
        call()
    return (time.process_time() - begun) / EACH * 1e3
