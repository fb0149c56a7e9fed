"""Administration of what the market side of the desk keeps: a module a subject."""

from greeks.admin import calendar, instruments, market

__all__ = ["calendar", "instruments", "market"]
