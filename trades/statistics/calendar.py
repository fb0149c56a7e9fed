"""Days of a month as weeks, for the calendar of results."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from trades.statistics.shapes import Day


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """A day with what was realised; ``None``: nothing closed. ``strength`` is 0 to 4."""

    date: date
    net: float | None
    strength: int
    is_in_month: bool

    @property
    def sign(self) -> str:
        return "" if not self.net else "gain" if self.net > 0 else "loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarMonth:
    first: date
    weeks: list[list[CalendarDay]]
    before: str | None
    after: str | None


def calendar_month(days: Sequence[Day], wanted: str | None) -> CalendarMonth | None:
    """Return the wanted month (``YYYY-MM``), else the last one with a result; ``None`` without.

    ``before`` and ``after`` are the months with results beside it.
    """
    by_day: Mapping[date, float] = {day.date: day.net for day in days}
    months = sorted({f"{day:%Y-%m}" for day in by_day})
    if not months:
        return None
    name = wanted or months[-1]
    first = date.fromisoformat(f"{name}-01")
    largest = max((abs(net) for net in by_day.values()), default=0.0)
    weeks = [
        [
            CalendarDay(
                date=day,
                net=by_day.get(day),
                strength=_strength(by_day.get(day), largest),
                is_in_month=day.month == first.month,
            )
            for day in week
        ]
        for week in Calendar().monthdatescalendar(first.year, first.month)
    ]
    return CalendarMonth(
        first=first,
        weeks=weeks,
        before=max((month for month in months if month < name), default=None),
        after=min((month for month in months if month > name), default=None),
    )


def _strength(net: float | None, largest: float) -> int:
    if not net or not largest:
        return 0
    return min(4, 1 + int(3.999 * abs(net) / largest))
