"""Seed the exchange calendar: regular days, half days and known special sessions, in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction

from config.core.clock import market_now, now
from config.core.errors import InvalidInput
from greeks.calendar.exchanges import EXCHANGES, Exchange, exchange_named
from greeks.calendar.sessions import PROVISIONAL, forget_edited_sessions
from greeks.models import ExchangeSession

Kind = ExchangeSession.Kind
_LAST_YEAR = 2100
_BATCH = 500
_EARLY_CLOSE = re.compile(r"close at (\d{1,2})(?::(\d\d))?\s*([ap])m", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """Rows changed by seeding. ``days_left_alone`` were edited by hand."""

    exchange: str
    from_year: int
    to_year: int
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    days_left_alone: int = 0


def seed_exchange_sessions(*, exchange: str, from_year: int, to_year: int) -> SeedResult:
    """Bring the calendar of whole years in line with what is known; safe to repeat.

    A day with any row edited by hand is left alone. Rows of days that have become holidays are
    removed. Raises ``InvalidInput`` for an unknown exchange or impossible years.
    """
    calendar = exchange_named(exchange)
    if not calendar.first_year <= from_year <= to_year <= _LAST_YEAR:
        raise InvalidInput(
            f"Sessions of {exchange} are known from {calendar.first_year} on: "
            f"cannot seed {from_year} to {to_year}.",
            fields={"from_year": f"{calendar.first_year} to to_year"},
        )
    planned = {(s.session_date, s.kind): s for s in _planned(calendar, from_year, to_year)}
    with transaction.atomic():
        rows = list(
            ExchangeSession.objects.select_for_update().filter(
                exchange=exchange,
                session_date__gte=date(from_year, 1, 1),
                session_date__lte=date(to_year, 12, 31),
            )
        )
        edited_days = {row.session_date for row in rows if row.edited}
        stored = {(r.session_date, r.kind): r for r in rows if r.session_date not in edited_days}
        wanted = {key: row for key, row in planned.items() if key[0] not in edited_days}
        obsolete = [row.pk for key, row in stored.items() if key not in wanted]
        new = [row for key, row in wanted.items() if key not in stored]
        changed = [
            _take_over(stored[key], row)
            for key, row in wanted.items()
            if key in stored and _facts(stored[key]) != _facts(row)
        ]
        for start in range(0, len(obsolete), _BATCH):
            ExchangeSession.objects.filter(pk__in=obsolete[start : start + _BATCH]).delete()
        # Another process may be seeding the same years: its rows are as good as ours.
        ExchangeSession.objects.bulk_create(new, batch_size=_BATCH, ignore_conflicts=True)
        ExchangeSession.objects.bulk_update(
            changed, ["opens_at", "closes_at", "note"], batch_size=_BATCH
        )
        if obsolete or new or changed:
            forget_edited_sessions()
    return SeedResult(
        exchange=exchange,
        from_year=from_year,
        to_year=to_year,
        created=len(new),
        updated=len(changed),
        deleted=len(obsolete),
        unchanged=len(wanted) - len(new) - len(changed),
        days_left_alone=len(edited_days),
    )


def confirm_session_years(*, exchange: str, year: int) -> int:
    """Mark a year's provisional sessions as announced; return how many.

    They count as edited by hand, so seeding keeps them.
    """
    provisional = ExchangeSession.objects.filter(
        exchange=exchange_named(exchange).name, session_date__year=year, note=PROVISIONAL
    )
    with transaction.atomic():
        confirmed = provisional.update(note="", edited=True)
        forget_edited_sessions()
    return confirmed


def seed_default_sessions() -> list[SeedResult]:
    """Seed every exchange from last year to next year, by market time if it is frozen."""
    years = (now().year, market_now().year)
    return [
        seed_exchange_sessions(
            exchange=exchange.name,
            from_year=max(exchange.first_year, min(years) - 1),
            to_year=max(years) + 1,
        )
        for exchange in EXCHANGES.values()
    ]


def _planned(exchange: Exchange, from_year: int, to_year: int) -> Iterator[ExchangeSession]:
    """Yield the sessions of whole years, at most one a day."""
    holidays, early_closes = _holiday_tables(exchange, from_year, to_year)
    day, last = date(from_year, 1, 1), date(to_year, 12, 31)
    while day <= last:
        special = exchange.special_sessions.get(day)
        closed = (
            day.weekday() >= 5 or day in exchange.closed_days or day in holidays
        ) and day not in exchange.open_days
        if special is not None:
            yield _session(exchange, day, special.opens, special.closes, Kind.SPECIAL, special.note)
        elif not closed and day in early_closes:
            closes, note = early_closes[day]
            yield _session(exchange, day, exchange.opens, closes, Kind.HALF_DAY, note)
        elif not closed:
            provisional = (
                exchange.published_until is not None and day.year > exchange.published_until
            )
            note = PROVISIONAL if provisional else exchange.open_days.get(day, "")
            yield _session(exchange, day, exchange.opens, exchange.closes, Kind.REGULAR, note)
        day += timedelta(days=1)


def _holiday_tables(
    exchange: Exchange, from_year: int, to_year: int
) -> tuple[frozenset[date], dict[date, tuple[time, str]]]:
    """Return full holidays, and early closes with local time and name."""
    # Imported here: the package is large and only seeding needs it.
    import holidays

    years = range(from_year, to_year + 1)
    closed = holidays.financial_holidays(exchange.name, years=years, categories=holidays.PUBLIC)
    early: dict[date, tuple[time, str]] = {}
    if holidays.HALF_DAY in closed.supported_categories:
        table = holidays.financial_holidays(
            exchange.name, years=years, categories=holidays.HALF_DAY, language="en_US"
        )
        for day, name in table.items():
            label = name.partition(" (")[0]
            early[day] = (_early_close(name) or exchange.early_close, label[:64])
    return frozenset(closed), early


def _early_close(name: str) -> time | None:
    """Parse the local time from a name like ``Christmas Eve (markets close at 1:00pm)``."""
    match = _EARLY_CLOSE.search(name)
    if match is None:
        return None
    hour = int(match[1]) % 12 + (12 if match[3] == "p" else 0)
    return time(hour, int(match[2] or 0))


def _session(
    exchange: Exchange, day: date, opens: time, closes: time, kind: Kind, note: str
) -> ExchangeSession:
    return ExchangeSession(
        exchange=exchange.name,
        session_date=day,
        opens_at=datetime.combine(day, opens, tzinfo=exchange.zone).astimezone(UTC),
        closes_at=datetime.combine(day, closes, tzinfo=exchange.zone).astimezone(UTC),
        kind=kind,
        note=note,
    )


def _facts(row: ExchangeSession) -> tuple[datetime, datetime, str]:
    return row.opens_at, row.closes_at, row.note


def _take_over(row: ExchangeSession, planned: ExchangeSession) -> ExchangeSession:
    row.opens_at, row.closes_at, row.note = _facts(planned)
    return row
