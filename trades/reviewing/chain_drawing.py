"""A chain of rolls as bars over time, joined where one lot went on in another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from trades.strategies.chains import Link
from trades.strategies.rolls import Roll

LANE = 36
_BAR_TOP, _BAR_HEIGHT = 18, 10
#: A bar that begins further right has its label end there: it would leave the drawing.
_LATE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A lot from its opening to its last close, or to now. ``x`` and ``width`` are percentages."""

    label: str
    x: float
    width: float
    y: int
    text_y: int
    ends_at_label: bool
    state: str
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A roll: from the bar of the old lot to that of the new one."""

    x: float
    y1: int
    y2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDrawing:
    bars: list[Bar]
    joins: list[Join]
    height: int
    first: datetime
    last: datetime


def draw_chain(
    links: Sequence[Link],
    rolls: Iterable[Roll],
    *,
    labels: Sequence[str],
    own: Sequence[bool],
    at: datetime,
) -> ChainDrawing:
    """Lay the links of a chain out in lanes, oldest first. ``at`` is where open ones end."""
    first = min(link.opening.at for link in links)
    last = max(_end(link, at) for link in links)
    span = (last - first).total_seconds() or 1.0

    def place(moment: datetime) -> float:
        return round((moment - first).total_seconds() / span * 100, 2)

    bars: list[Bar] = []
    lanes: dict[int, int] = {}
    for lane, link in enumerate(links):
        start = place(link.opening.at)
        lanes.setdefault(link.opening.key, lane)
        bars.append(
            Bar(
                label=labels[lane],
                x=start,
                # A lot of minutes among months can still be seen.
                width=max(place(_end(link, at)) - start, 0.5),
                y=lane * LANE + _BAR_TOP,
                text_y=lane * LANE + _BAR_TOP - 5,
                ends_at_label=start > _LATE,
                state=_state(link),
                is_own=own[lane],
            )
        )
    # The drawing has a line for a pair of lots, however many fills made the roll.
    pairs = {
        (lanes[roll.parent], lanes[roll.child]): roll.closing.at
        for roll in rolls
        if roll.parent in lanes and roll.child in lanes
    }
    joins = [
        Join(
            x=place(moment),
            y1=old * LANE + _BAR_TOP + _BAR_HEIGHT // 2,
            y2=new * LANE + _BAR_TOP + _BAR_HEIGHT // 2,
        )
        for (old, new), moment in sorted(pairs.items())
    ]
    return ChainDrawing(bars=bars, joins=joins, height=len(links) * LANE, first=first, last=last)


def _end(link: Link, at: datetime) -> datetime:
    if link.open_quantity:
        return max(at, link.opening.at)
    closes = [part.closing.at for part in link.opening.parts if part.closing is not None]
    return max(closes, default=link.opening.at)


def _state(link: Link) -> str:
    if link.open_quantity:
        return "open"
    if link.net is None:
        return "unknown"
    return "gain" if link.net > 0 else "loss"
