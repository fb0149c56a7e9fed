"""Which sections the dashboard has: the declared resources that name one, in the page's order."""

from __future__ import annotations

from config.core.caching.resources import Resource, declared_resources

#: The documented sections, in the order of the body.
SECTIONS = (
    "positions",
    "shadow_positions",
    "health",
    "exit_signals",
    "queued_signals",
    "source_performance",
    "gex",
    "pnl_curve",
    "daily_returns",
)


def dashboard_resources() -> tuple[Resource, ...]:
    """Return the sections' declarations, in the order of the body."""
    declared = [each for each in declared_resources() if each.section is not None]
    return tuple(sorted(declared, key=lambda each: SECTIONS.index(str(each.section))))


def section_named(section: str) -> Resource:
    """Return a section's declaration; ``KeyError`` if there is none."""
    return {str(each.section): each for each in dashboard_resources()}[section]
