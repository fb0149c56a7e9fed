"""Bodies of portfolios and of their update queue in the API."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from msgspec import Meta

from config.core.api.shapes import Moment, Number, Shape, about


class CurrencyFigures(Shape):
    currency: str
    value: Number
    daily_change: Number


class Portfolio(Shape):
    id: str
    name: str
    holds_all: Annotated[bool, about("Every account its owner may see; cannot be changed.")]
    account_ids: list[str]
    currency: str | None
    value: Annotated[Number, about("Market value of all positions, converted.")]
    daily_change: Annotated[Number, about("Since the open, else since the last close.")]
    daily_change_percent: Annotated[
        Number, about("Of the gross value at the open, or the most put in since.")
    ]
    by_currency: Annotated[list[CurrencyFigures], about("Before conversion.")]
    unconverted: Annotated[list[str], about("Currencies without a rate: in no total.")]
    legs: int | None
    legs_without_change: int | None
    last_updated: Moment | None
    notice_percent: Annotated[Number, about("Its owner is told of each move by so much.")]
    daily_summary: Annotated[bool, about("Its owner is told what each session brought.")]


class PortfolioNotices(Shape):
    notice_percent: Annotated[float, Meta(ge=0.1, le=100)] | None
    daily_summary: bool


class LiveFrequency(Shape):
    every_seconds: Annotated[int, about("0: at once; else 5 or 30.")]


class PortfolioDay(Shape):
    session_date: date
    currency: str
    value: Number
    daily_change: Number
    daily_change_percent: Number
    last_updated: Moment


class PortfolioDays(Shape):
    days: list[PortfolioDay]


class Portfolios(Shape):
    portfolios: list[Portfolio]


class PortfolioWrite(Shape):
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    account_ids: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=200)]


class RefreshQueued(Shape):
    id: str
    queued: Annotated[bool, about("false: Redis is down; the sweep takes it later.")]


class QueueStatistics(Shape):
    """``None`` where Redis cannot tell."""

    pending_updates: Annotated[int | None, about("Portfolios that wait.")]
    is_processing: Annotated[bool | None, about("A loop looked in the last ten seconds.")]
    in_progress: Annotated[int | None, about("Portfolios being computed.")]
    rate_limit_windows: Annotated[int | None, about("Portfolios computed in the last minute.")]
    queued: Annotated[int | None, about("Requests since Redis started.")]
    claimed: int | None
    finished: int | None
    deferred: Annotated[int | None, about("Put off by the limit of a minute.")]
    reclaimed: Annotated[int | None, about("Taken over from a process that died.")]
    coalescing_ratio: Annotated[Number, about("Requests to each recalculation.")]
    delay_p50_seconds: Number
    delay_p99_seconds: Number
    overdue_seconds: Annotated[Number, about("How long the first that is due has been waiting.")]
