"""Administration of the journal: the record, which is read-only, and its review."""

from trades.admin import records, review

__all__ = ["records", "review"]
