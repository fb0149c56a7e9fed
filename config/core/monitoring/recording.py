"""Record answers of both doors, and calls to providers."""

from __future__ import annotations

from typing import Final, TypedDict

import structlog

from config.core.caching.facts import CacheFacts
from config.core.monitoring.counting import Kind, count
from config.core.monitoring.measured import SLOW_SECONDS
from config.core.monitoring.tally import Tally, current_tally

logger = structlog.get_logger("config.requests")

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: In the ASGI scope: the prepared body that the front door did not have ready.
MISSED: Final = "greekdesk.missed"
#: Asked for every few seconds by machines: counted, not logged unless slow.
_QUIET: Final = frozenset({"health", "metrics"})


class ResponseMetadata(TypedDict):
    """Facts of one answer. Times in milliseconds; parallel work adds up."""

    endpoint: str
    status_code: int
    response_time_ms: float
    cache_hits: list[str]
    cache_misses: list[str]
    database_query_time_ms: float
    external_api_time_ms: float


def record_answer(
    method: str, route: str, status: int, seconds: float, tally: Tally, facts: CacheFacts
) -> None:
    """Count and log one of Django's answers; warn if it was slow.

    The request's id is bound to the log line by ``RequestIdMiddleware``.
    """
    database, provider = sum(tally.database), sum(tally.provider)
    metadata = ResponseMetadata(
        endpoint=f"{method} {route or '/'}",
        status_code=status,
        response_time_ms=_ms(seconds),
        cache_hits=sorted(facts.hits),
        cache_misses=sorted(facts.misses),
        database_query_time_ms=_ms(database),
        external_api_time_ms=_ms(provider),
    )
    count(
        Kind.REQUEST,
        metadata["endpoint"],
        str(status),
        seconds,
        hits=len(facts.hits),
        misses=len(facts.misses),
        database=database,
        provider=provider,
    )
    if seconds > SLOW_SECONDS:
        logger.warning("request.slow", **metadata)
    elif route not in _QUIET:
        logger.info("request.finished", **metadata)


def warn_of_slow_answer(endpoint: str, status: int, seconds: float, name: str, id_: bytes) -> None:
    """Warn about a slow answer of the front door, from the prepared body ``name``."""
    metadata = ResponseMetadata(
        endpoint=endpoint,
        status_code=status,
        response_time_ms=_ms(seconds),
        cache_hits=[name],
        cache_misses=[],
        database_query_time_ms=0.0,
        external_api_time_ms=0.0,
    )
    logger.warning("request.slow", request_id=id_.decode("latin-1"), **metadata)


def record_provider_call(provider: str, outcome: str, seconds: float) -> None:
    """Count one attempt of a call; ``outcome`` is ``ok`` or the error's code."""
    count(Kind.PROVIDER, provider, outcome, seconds)
    if (tally := current_tally()) is not None:
        tally.provider.append(seconds)


def record_section(section: str, outcome: str, seconds: float) -> None:
    """Count one fetch of a dashboard section; ``outcome`` is ``ok`` or why it failed."""
    count(Kind.SECTION, section, outcome, seconds)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
