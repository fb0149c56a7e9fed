"""The response monitor's figures of the last hour, over all processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis.exceptions import RedisError

from config.core.errors import Unavailable
from config.core.monitoring.counting import Kind, hand_on
from config.core.monitoring.measured import Measured
from config.core.monitoring.store import Key, read_blocks, read_minutes

#: Minutes of the history.
HISTORY_MINUTES: Final = 120
_WELL: Final = "ok"


def get_metrics() -> dict[str, Any]:
    """Return the performance of the last hour (60 to 70 minutes), over all requests and by
    endpoint, section and provider. Times in milliseconds.

    Raises ``Unavailable`` while Redis cannot tell.
    """
    hand_on()
    try:
        blocks = list(read_blocks())
    except RedisError:
        raise Unavailable("Redis does not answer, so what was measured is unknown.") from None
    merged = _merged(sums for _, sums in blocks)
    requests = _of_kind(merged, Kind.REQUEST)
    return {
        "since": blocks[0][0],
        **_performance(total(each for named in requests.values() for each in named.values())),
        "failed_requests": sum(map(_failed_requests, requests.values())),
        "slow_queries": _queries(merged, "slow"),
        "query_timeouts": _queries(merged, "timed_out"),
        "endpoints": [
            {
                "endpoint": name,
                **_performance(total(outcomes.values())),
                "failed_requests": _failed_requests(outcomes),
            }
            for name, outcomes in sorted(requests.items())
        ],
        "sections": _calls(merged, Kind.SECTION, "section"),
        "providers": _calls(merged, Kind.PROVIDER, "provider"),
    }


def get_history() -> dict[str, list[Any]]:
    """Return all requests by minute, a column per figure; times in milliseconds.

    Raises ``Unavailable`` while Redis cannot tell.
    """
    hand_on()
    columns: dict[str, list[Any]] = defaultdict(list)
    try:
        for at, sums in read_minutes(HISTORY_MINUTES):
            outcomes = _of_kind(sums, Kind.REQUEST).get("", {})
            performance = _performance(total(outcomes.values()))
            columns["at"].append(at)
            for name in ("requests", "avg_response_time", "p95_response_time", "cache_hit_rate"):
                columns[name].append(performance[name])
    except RedisError:
        raise Unavailable("Redis does not answer, so what was measured is unknown.") from None
    return dict(columns)


def queries_timed_out(*, minutes: int) -> int:
    """Return how many queries timed out in the last minutes, over all processes.

    Raises ``redis.exceptions.RedisError``.
    """
    return sum(_queries(sums, "timed_out") for _, sums in read_minutes(minutes))


def total(parts: Iterable[Measured]) -> Measured:
    """Add up measurements."""
    summed = Measured()
    for part in parts:
        summed.merge(part)
    return summed


def _merged(parts: Iterable[Mapping[Key, Measured]]) -> dict[Key, Measured]:
    by_key: dict[Key, list[Measured]] = defaultdict(list)
    for sums in parts:
        for key, measured in sums.items():
            by_key[key].append(measured)
    return {key: total(each) for key, each in by_key.items()}


def _of_kind(merged: Mapping[Key, Measured], kind: Kind) -> dict[str, dict[str, Measured]]:
    """Return a kind's measurements by name and outcome."""
    found: dict[str, dict[str, Measured]] = defaultdict(dict)
    for (of, name, outcome), measured in merged.items():
        if of == kind:
            found[name][outcome] = measured
    return found


def _performance(measured: Measured) -> dict[str, Any]:
    count = measured.count
    return {
        "requests": count,
        **_times(measured),
        "cache_hits": measured.hits,
        "cache_misses": measured.misses,
        "cache_hit_rate": measured.hit_rate,
        "slow_requests": measured.slow,
        "database_query_time_ms": _ms(measured.database / count if count else None),
        "external_api_time_ms": _ms(measured.provider / count if count else None),
    }


def _times(measured: Measured) -> dict[str, float | None]:
    return {
        "avg_response_time": _ms(measured.average),
        "p95_response_time": _ms(measured.quantile(0.95)),
        "p99_response_time": _ms(measured.quantile(0.99)),
    }


def _calls(merged: Mapping[Key, Measured], kind: Kind, label: str) -> list[dict[str, Any]]:
    rows = []
    for name, outcomes in sorted(_of_kind(merged, kind).items()):
        counts = {outcome: measured.count for outcome, measured in sorted(outcomes.items())}
        calls = sum(counts.values())
        failures = calls - counts.get(_WELL, 0)
        rows.append(
            {
                label: name,
                "calls": calls,
                "failures": failures,
                "failure_rate": failures / calls if calls else None,
                **_times(total(outcomes.values())),
                "outcomes": counts,
            }
        )
    return rows


def _queries(merged: Mapping[Key, Measured], outcome: str) -> int:
    found = _of_kind(merged, Kind.QUERY).get("", {}).get(outcome)
    return found.count if found else 0


def _failed_requests(outcomes: Mapping[str, Measured]) -> int:
    return sum(each.count for status, each in outcomes.items() if status >= "500")


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
