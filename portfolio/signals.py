"""Signals for requests and news; the tasks receive them."""

from django.dispatch import Signal

# Sent after commit with ``run_id`` and ``account_id`` (text): a queued run needs a worker.
sync_requested = Signal()
# Sent with ``account_ids`` (list of text): refresh their Greeks in the background.
greeks_refresh_requested = Signal()
# Sent with ``account_ids`` and ``countdown`` (seconds): their streamed values moved.
streamed_refresh_requested = Signal()
#: Sent after commit with ``account_id`` and ``version``: a new version of the book is readable.
book_committed = Signal()
