"""Administration of the journal: the record, which is read-only, and its review."""

from trades.admin import records, review, signals

__all__ = ["records", "review", "signals"]
