"""Format seconds for the system page."""

from __future__ import annotations

from django import template

from config.core.web.formatting import age

register = template.Library()
_UNITS = ((3600, "h"), (60, "min"))


@register.filter
def ago(seconds: float | None) -> str:
    """Return an age: ``12s``, ``4m``."""
    return age(seconds) or "–"


@register.filter
def span(seconds: float) -> str:
    """Return a window: ``1 s``, ``30 min``, ``24 h``."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
