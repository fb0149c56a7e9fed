"""Stored snapshots of gamma exposure: a day's series, and the bodies to replay it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import msgspec
import structlog
from django.db.models import QuerySet

from config.core.caching.entry import CachedResult
from config.core.clock import market_now
from config.core.errors import NotFound
from greeks.calendar.exchanges import Exchange
from greeks.gex.body import definition_of
from greeks.gex.chains.subjects import Subject, subject_named
from greeks.gex.questions import GexQuestion
from greeks.gex.shapes import GexData, GexHistory
from greeks.models import GexSnapshot

logger = structlog.get_logger(__name__)

#: Days offered.
_DATES = 60
_SERIES = (
    "spot", "gamma_exposure", "gamma_without_zero_dte", "zero_gamma", "call_wall", "put_wall",
)  # fmt: skip
_decoder = msgspec.msgpack.Decoder(GexData)


def day_history(question: GexQuestion, day: date | None = None) -> GexHistory:
    """Return the snapshots of a day, the last one that has any by default; in two queries.

    Raises ``NotFound`` for a symbol that nobody follows.
    """
    subject = subject_named(question.symbol)
    rows = _rows(subject, question)
    dates = snapshot_dates(subject, question)
    shown = day or (dates[0] if dates else date.min)
    of_day = list(rows.filter(session_date=shown).order_by("slot").values_list("slot", *_SERIES))
    zone = subject.terms.exchange.zone
    columns: list[list[float | None]] = [
        [row[place] for row in of_day] for place in range(1, len(_SERIES) + 1)
    ]
    return GexHistory(
        subject.symbol,
        shown,
        definition_of(question.chosen_definition, question.chosen_dealers),
        sorted(dates),
        [slot.astimezone(zone) for slot, *_ in of_day],
        *columns,
    )


def snapshot_dates(subject: Subject, question: GexQuestion) -> list[date]:
    """Return the days with snapshots, newest first."""
    days = _rows(subject, question).order_by("-session_date").values_list("session_date", flat=True)
    return list(days.distinct()[:_DATES])


def kept_gex(question: GexQuestion, day: date, at: time | None = None) -> GexData:
    """Return a day's last snapshot, or the last up to ``at`` (exchange time), to replay the day.

    Raises ``NotFound`` if there is none; a damaged row counts as none.
    """
    subject = subject_named(question.symbol)
    rows = _rows(subject, question)
    of_day = rows.filter(session_date=day)
    slots = list(of_day.order_by("slot").values_list("slot", flat=True))
    until = None if at is None or not slots else _instant(subject.terms.exchange, day, at, slots)
    slot = next((each for each in reversed(slots) if until is None or each <= until), None)
    row = None if slot is None else of_day.filter(slot=slot).first()
    body = None if row is None else _unpacked(row)
    if body is None:
        raise NotFound(f"No gamma exposure of {subject.symbol} was kept on {day.isoformat()}.")
    zone = subject.terms.exchange.zone
    body.cached, body.snapshots = True, [each.astimezone(zone) for each in slots]
    body.timestamp, body.computed_at = (
        moment.astimezone(zone) for moment in (body.timestamp, body.computed_at)
    )
    return body


def newest_snapshot(subject: Subject, question: GexQuestion) -> CachedResult[GexData] | None:
    """Return the newest snapshot and its age; ``None`` if there is none."""
    row = _rows(subject, question).order_by("-slot").first()
    body = None if row is None else _unpacked(row)
    if body is None:
        return None
    age = max(0.0, (market_now() - body.computed_at).total_seconds())
    return CachedResult(body, hit=False, age_seconds=age, timestamp=body.computed_at)


def _rows(subject: Subject, question: GexQuestion) -> QuerySet[GexSnapshot]:
    version, dealers = question.series(subject.source)
    return GexSnapshot.objects.filter(
        symbol=subject.symbol, definition_version=version, dealers=dealers
    )


def _unpacked(row: GexSnapshot) -> GexData | None:
    try:
        return _decoder.decode(zlib.decompress(bytes(row.packed)))
    except (msgspec.DecodeError, zlib.error) as error:
        logger.warning("gex_snapshot_unreadable", row=row.pk, reason=str(error)[:200])
        return None


def _instant(exchange: Exchange, day: date, at: time, slots: Sequence[datetime]) -> datetime:
    """Return a time of day within a session, which may go past midnight."""
    instant = datetime.combine(day, at, exchange.zone)
    goes_on = slots[-1].astimezone(exchange.zone).date() > day
    return instant + timedelta(days=1) if goes_on and instant < slots[0] else instant
