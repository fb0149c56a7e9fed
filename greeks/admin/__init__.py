"""Administration of what the market side of the desk keeps: a module a subject."""

from greeks.admin import instruments, market

__all__ = ["instruments", "market"]
