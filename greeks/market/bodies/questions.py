"""Parse what ``/market/data`` is asked for, and find the chain it means now."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

from django.http import QueryDict

from config.core.api.parameters import QueryParameters
from config.core.errors import ApplicationError, NotFound, invalid
from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import Session, calendar_known_until, latest_session, next_session
from greeks.maths.aggregation import BUCKETS_SHAPE
from greeks.minutes.clock import is_settled, last_due_minute
from greeks.minutes.stored import NO_ROWS, Chain, RowsVersion, versions_of
from greeks.models import PolledInstrument
from greeks.polling.instruments import enabled_instruments, polled_expiries
from greeks.polling.sessions import session_for, session_on_date

#: Minutes of each resolution.
RESOLUTIONS = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60}
#: Every column, or the rounded closes from which a page derives the rest.
ALL, CLOSES = "all", "closes"
BUCKETS = BUCKETS_SHAPE[1]
PARAMETERS = frozenset(
    ["date", "instrument_key", "slug", "expiry", "delta_min", "delta_max", "resolution", "columns"]
)
# Far less than a bucket's width, far more than a decimal fraction's binary error.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketQuestion:
    """What was asked; ``None`` means the default, which changes with time.

    The |delta| range is in whole buckets: from ``first_bucket`` up to but excluding ``end_bucket``.
    """

    slug: str | None = None
    instrument_key: str | None = None
    session_date: date | None = None
    expiry: date | None = None
    first_bucket: int = 0
    end_bucket: int = BUCKETS
    resolution: str = "1m"
    columns: str = ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketChoice:
    """The chain that answers a question at a moment, with everything else its body says.

    ``due`` is the last minute that should be stored by then.
    """

    instrument: PolledInstrument
    chain: Chain
    version: RowsVersion
    session: Session
    due: datetime | None
    calendar_known_until: date | None
    first_bucket: int
    end_bucket: int
    resolution: str
    columns: str
    is_settled: bool

    @property
    def is_filtered(self) -> bool:
        return (self.first_bucket, self.end_bucket) != (0, BUCKETS)

    @property
    def variant(self) -> tuple[Chain, int, int, str, str]:
        """Return what identifies the body, whatever its version."""
        return (
            self.chain,
            self.first_bucket,
            self.end_bucket,
            self.resolution,
            self.columns,
        )

    @property
    def state(self) -> str:
        """Return a value that is equal while the body would come out the same, in every process."""
        instrument = self.instrument
        facts = (
            self.variant,
            self.version,
            self.session,
            self.due,
            self.calendar_known_until,
            *(instrument.slug, instrument.name, instrument.provider, instrument.exchange),
            *(instrument.simulated, instrument.poll_seconds),
        )
        return repr(facts)


def buckets_of(delta_min: float, delta_max: float) -> tuple[int, int]:
    """Return the whole buckets that hold the range: first, and one after the last."""
    if not 0.0 <= delta_min <= delta_max <= 1.0:
        raise invalid("delta_min", "Expected 0 to delta_max, which is at most 1.")
    first = min(BUCKETS - 1, math.floor(delta_min * BUCKETS + _ROUNDING))
    return first, max(first + 1, math.ceil(delta_max * BUCKETS - _ROUNDING))


def question_of(values: QueryDict) -> MarketQuestion:
    """Parse the parameters strictly. Raises ``InvalidInput`` naming the field."""
    parameters = QueryParameters(values, allowed=PARAMETERS)
    slug, key = parameters.identifier("slug"), parameters.identifier("instrument_key")
    if slug is not None and key is not None:
        raise invalid("slug", "Give slug or instrument_key, not both.")
    nought, one = Decimal(0), Decimal(1)
    low = parameters.decimal("delta_min", minimum=nought, maximum=one)
    high = parameters.decimal("delta_max", minimum=nought, maximum=one)
    first, end = buckets_of(
        0.0 if low is None else float(low), 1.0 if high is None else float(high)
    )
    return MarketQuestion(
        slug=slug,
        instrument_key=key,
        session_date=parameters.date("date"),
        expiry=parameters.date("expiry"),
        first_bucket=first,
        end_bucket=end,
        resolution=parameters.choice("resolution", tuple(RESOLUTIONS), default="1m"),
        columns=parameters.choice("columns", (ALL, CLOSES), default=ALL),
    )


def choice_for(question: MarketQuestion, at: datetime) -> MarketChoice:
    """Return the chain the question means at ``at``, in two or three queries.

    Raises ``NotFound`` and ``InvalidInput``, naming the parameter.
    """
    found = choices_for([question], at)[question]
    if isinstance(found, ApplicationError):
        raise found
    return found


def choices_for(
    questions: Collection[MarketQuestion], at: datetime
) -> Mapping[MarketQuestion, MarketChoice | ApplicationError]:
    """Return each question's chain or why there is none, in as few queries as for one question."""
    instruments = _instruments(questions)
    sessions: dict[MarketQuestion, tuple[PolledInstrument, Session]] = {}
    found: dict[MarketQuestion, MarketChoice | ApplicationError] = {}
    for question in questions:
        try:
            instrument = _instrument(question, instruments)
            sessions[question] = (instrument, _session(instrument, question.session_date, at))
        except ApplicationError as error:
            found[question] = error
    versions = versions_of(
        {(i.instrument_key, session.session_date) for i, session in sessions.values()}
    )
    for question, (instrument, session) in sessions.items():
        try:
            found[question] = _choice(question, instrument, session, versions, at)
        except NotFound as error:
            found[question] = error
    return found


def _instruments(questions: Iterable[MarketQuestion]) -> list[PolledInstrument]:
    """Return enabled instruments in order, plus disabled ones that are asked for."""
    instruments = list(enabled_instruments())
    known = {i.slug for i in instruments} | {i.instrument_key for i in instruments}
    asked = {name for q in questions if (name := q.slug or q.instrument_key) is not None}
    if missing := asked - known:
        instruments += PolledInstrument.objects.filter(enabled=False, slug__in=missing)
        instruments += PolledInstrument.objects.filter(enabled=False, instrument_key__in=missing)
    return instruments


def _instrument(
    question: MarketQuestion, instruments: Iterable[PolledInstrument]
) -> PolledInstrument:
    if question.slug is None and question.instrument_key is None:
        first = next((each for each in instruments if each.enabled), None)
        if first is None:
            raise NotFound("No instrument is polled.")
        return first
    for each in instruments:
        if question.slug in (None, each.slug) and question.instrument_key in (
            None,
            each.instrument_key,
        ):
            return each
    field = "slug" if question.slug is not None else "instrument_key"
    raise NotFound(
        f"{field}: No such instrument is polled.", fields={field: "No such instrument is polled."}
    )


def _session(instrument: PolledInstrument, day: date | None, at: datetime) -> Session:
    if day is None:
        session = session_for(instrument, at)
        if session is None:
            raise NotFound(f"The calendar of {instrument.exchange} knows no session yet.")
        return session
    today = at.astimezone(exchange_named(instrument.exchange).zone).date()
    if day > today:
        raise invalid("date", f"In the future: it is {today.isoformat()} at the exchange.")
    session = session_on_date(instrument, day)
    if session is None:
        raise invalid(
            "date", f"{instrument.exchange} has no session then.{_near(instrument, day, at)}"
        )
    return session


def _near(instrument: PolledInstrument, day: date, at: datetime) -> str:
    """Name the session days around a closed one, as a sentence."""
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    around = (
        latest_session(instrument.exchange, midnight),
        next_session(instrument.exchange, midnight),
    )
    days = [each.session_date.isoformat() for each in around if each and each.opens_at <= at]
    return f" The nearest: {' and '.join(days)}." if days else ""


def _choice(
    question: MarketQuestion,
    instrument: PolledInstrument,
    session: Session,
    versions: Mapping[Chain, RowsVersion],
    at: datetime,
) -> MarketChoice:
    key, day = instrument.instrument_key, session.session_date
    stored = sorted(c.expiry for c in versions if (c.instrument_key, c.session_date) == (key, day))
    polled = polled_expiries(instrument, at)
    expiry = question.expiry
    if expiry is None:
        expiry = _default_expiry(stored, polled, day)
        if expiry is None:
            raise NotFound(f"No expiry of {instrument.name} is polled yet.")
    elif expiry not in stored and expiry not in polled:
        known = ", ".join(sorted({each.isoformat() for each in (*stored, *polled)})) or "none"
        problem = f"Neither polled nor stored on that day. Known: {known}."
        raise NotFound(f"expiry: {problem}", fields={"expiry": problem})
    chain = Chain(key, day, expiry)
    return MarketChoice(
        instrument=instrument,
        chain=chain,
        version=versions.get(chain, NO_ROWS),
        session=session,
        due=last_due_minute(session, at),
        calendar_known_until=calendar_known_until(instrument.exchange),
        first_bucket=question.first_bucket,
        end_bucket=question.end_bucket,
        resolution=question.resolution,
        columns=question.columns,
        is_settled=is_settled(session, at),
    )


def _default_expiry(stored: Collection[date], polled: Collection[date], day: date) -> date | None:
    """Return the nearest polled expiry; if the session polled others, the nearest of those."""
    nearest = min(polled, default=None)
    if nearest is not None and (not stored or nearest in stored):
        alive = [each for each in stored if each >= day]
        return min([nearest, *alive])
    return min((each for each in stored if each >= day), default=min(stored, default=None))
