"""How calls ended, in words: of a provider's call, or of a section of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: By the code of the error.
_WORDS: Final = {
    "error": "failed, as the log says",
    "time_limit": "took too long",
    "unavailable": "not available",
    "database_unavailable": "no database",
    "provider_error": "failed at the provider",
    "provider_unreachable": "no answer",
    "provider_circuit_open": "paused after failures",
    "provider_refused": "refused",
    "provider_malformed": "unusable answer",
    "provider_unauthorised": "log-in refused",
    "provider_forbidden": "forbidden",
    "provider_rate_limited": "too many calls",
    "provider_closed": "closed",
}


def outcome_words(code: str) -> str:
    """Return what an error's code means; an unknown code reads as words."""
    return _WORDS.get(code, code.replace("_", " "))


def failure_words(outcomes: Mapping[str, int]) -> str:
    """Return how often what failed, the most frequent first; empty if nothing did."""
    failed = [(count, outcome_words(code)) for code, count in outcomes.items() if code != "ok"]
    return ", ".join(f"{words} {count:,}×" for count, words in sorted(failed, reverse=True))
