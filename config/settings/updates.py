"""How often portfolios are recalculated while prices move (``docs/updates.md``)."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from config.settings.environment import env


class Pace(NamedTuple):
    debounce_seconds: float
    maximum_wait_seconds: float
    per_minute: int


_PRESETS: Final = {"normal": Pace(2.0, 5.0, 20), "fast": Pace(0.5, 1.5, 60), "calm": Pace(5, 15, 6)}
_NAME = env.str("PORTFOLIO_UPDATE_PRESET", default="normal")
if _NAME not in _PRESETS:
    raise ImproperlyConfigured(
        f"PORTFOLIO_UPDATE_PRESET is {_NAME!r}: say one of {', '.join(_PRESETS)}."
    )
_PACE = _PRESETS[_NAME]
# Wait until a portfolio's prices have been quiet for this long,
PORTFOLIO_UPDATE_DEBOUNCE_SECONDS = env.float(
    "PORTFOLIO_UPDATE_DEBOUNCE_SECONDS", default=_PACE.debounce_seconds
)
# but never longer than this after the first move.
PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS = env.float(
    "PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS", default=_PACE.maximum_wait_seconds
)
# Updates of one portfolio in any 60 seconds; more are put off, merged.
PORTFOLIO_UPDATES_PER_MINUTE = env.int("PORTFOLIO_UPDATES_PER_MINUTE", default=_PACE.per_minute)
# Refreshes by hand, on top of those.
PORTFOLIO_MANUAL_UPDATES_PER_MINUTE = env.int("PORTFOLIO_MANUAL_UPDATES_PER_MINUTE", default=10)
if not 0 <= PORTFOLIO_UPDATE_DEBOUNCE_SECONDS <= PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS <= 60:
    raise ImproperlyConfigured(
        "PORTFOLIO_UPDATE_DEBOUNCE_SECONDS must be between 0 and "
        "PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS, and that at most 60."
    )
for _LIMIT in ("PORTFOLIO_UPDATES_PER_MINUTE", "PORTFOLIO_MANUAL_UPDATES_PER_MINUTE"):
    if not 1 <= globals()[_LIMIT] <= 600:
        raise ImproperlyConfigured(f"{_LIMIT} must be between 1 and 600.")
