"""The live market: what a chain's open pages are sent.

Samples are forwarded as announced. A closed minute is read once, from the rows that make up the
body of ``/market/data``, and goes to every socket as one prepared text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from msgspec.structs import asdict
from redis.exceptions import RedisError

from config.core.clock import market_now
from config.core.live.feeds import Feed, Feeds, frame, read_in_thread
from config.core.live.hub import Message
from config.core.live.per_loop import PerLoop
from greeks.calendar.exchanges import exchange_named
from greeks.market.bodies.body import head_of, row_of, velocities
from greeks.market.bodies.questions import MarketChoice, MarketQuestion, choice_for
from greeks.market.bodies.series import MarketSeries, series_for
from greeks.market.shapes import MarketHead
from greeks.polling.forming_minute import forming_minute
from greeks.polling.poll import group_of
from greeks.polling.samples import latest_sample


@dataclass(frozen=True, slots=True)
class Watched:
    """An instrument by slug, and an expiry; ``None``: the default one."""

    slug: str
    expiry: date | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A committed state of the chain, as frames need it.

    ``samples`` counts those of all its minutes, ``samples_before`` those before the last one.
    """

    choice: MarketChoice
    head: MarketHead
    last_minute: int | None
    samples: int
    samples_before: int
    row: dict[str, Any] | None
    velocity: dict[str, Any]

    @property
    def version(self) -> int:
        return self.head.version

    def follows(self, before: Reading) -> bool:
        """Whether only the last minute is new."""
        return (
            self.choice.chain == before.choice.chain
            and self.last_minute is not None
            and before.last_minute is not None
            and self.last_minute - before.last_minute == 60
            # A late sample may have rewritten a minute, but never with fewer samples.
            and self.samples_before == before.samples
        )


def read_chain(watched: Watched, before: Reading | None = None) -> Reading:
    """Return the committed state, or ``before`` if unchanged.

    Raises ``NotFound`` if the chain does not exist.
    """
    question = MarketQuestion(slug=watched.slug, expiry=watched.expiry)
    choice = choice_for(question, market_now())
    if before is not None and before.choice.state == choice.state:
        return before
    series: MarketSeries = series_for(choice)
    is_empty = len(series) == 0
    return Reading(
        choice=choice,
        head=head_of(series),
        last_minute=None if is_empty else int(series.minutes[-1]),
        samples=int(series.samples_seen.sum()),
        samples_before=int(series.samples_seen[:-1].sum()),
        row=None if is_empty else row_of(series, len(series) - 1),
        velocity=velocities(series),
    )


def read_forming(choice: MarketChoice) -> dict[str, Any] | None:
    """Return the forming minute from the latest sample of the session shown."""
    try:
        sample = latest_sample(choice.instrument.slug, choice.chain.expiry)
    except RedisError:
        return None
    if sample is None or not choice.session.opens_at <= sample.slot < choice.session.closes_at:
        return None
    return forming_minute(sample, zone=exchange_named(choice.session.exchange).zone)


class MarketFeed(Feed[Watched, Reading]):
    """Watches one chain."""

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self._forming: dict[str, Any] | None = None

    async def open(self) -> None:
        await super().open()
        forming = await read_in_thread(partial(read_forming, self.state.choice))
        # A sample announced meanwhile is newer.
        if self._forming is None:
            self._forming = forming

    def groups(self, state: Reading | None) -> list[str]:
        """The chain's group; another chain takes its place when it expires."""
        if state is None:
            return []
        return [group_of(state.choice.instrument.slug, state.choice.chain.expiry)]

    def read(self, before: Reading | None) -> Reading:
        return read_chain(self.key, before)

    def snapshot_frame(self) -> str:
        head = asdict(self.state.head)
        del head["schema"]
        data = head | {
            "row": self.state.row,
            "velocity": self.state.velocity,
            "forming": self._forming,
        }
        return frame("market.snapshot", data, version=self.number, as_of=head["as_of"])

    def heard(self, message: Message) -> bool:
        """Forward a sample as announced; anything else requires a read."""
        if message.get("type") != "market.sampled":
            return True
        data = message.get("data")
        if isinstance(data, dict):
            self._forming = data
            self.send_numbered("market.sampled", data, as_of=data.get("as_of"))
        return False

    def tell(self, before: Reading, after: Reading) -> None:
        if before.choice.chain != after.choice.chain:
            # Another day or another default expiry: nothing carries over.
            self._forming = None
            self.number += 1
            self.send(self.snapshot(), name="snapshot")
            return
        if (before.version, before.last_minute) == (after.version, after.last_minute):
            return
        if after.row is None:
            return
        data = after.row | {
            "velocity": after.velocity,
            "date": after.head.date,
            "base": after.head.base,
            "version": after.version,
            # More than the last minute is new: the columns must be read again.
            "refetch": not after.follows(before),
        }
        self.send_numbered("market.minute_closed", data, as_of=after.head.as_of)


feeds = PerLoop(lambda: Feeds(MarketFeed))
