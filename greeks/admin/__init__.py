"""Admin of the market side of the desk, one module per subject."""

from greeks.admin import alerts, calendar, instruments, market

__all__ = ["alerts", "calendar", "instruments", "market"]
