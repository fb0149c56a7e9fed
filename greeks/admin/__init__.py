"""Administration of what the market side of the desk keeps: a module a subject."""

from greeks.admin import alerts, calendar, instruments, market

__all__ = ["alerts", "calendar", "instruments", "market"]
