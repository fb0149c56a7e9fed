"""What services ask for, and tell, without knowing who does it: received by the tasks."""

from django.dispatch import Signal

#: Sent after commit with ``run_id`` and ``account_id`` (text): a queued run waits for a worker.
sync_requested = Signal()
#: Sent with ``account_ids`` (a list of text): Greeks are to be refreshed in the background.
greeks_refresh_requested = Signal()
#: Sent with ``account_ids`` and ``countdown`` (seconds): streamed values of theirs have moved.
streamed_refresh_requested = Signal()
#: Sent after commit with ``account_id`` and ``version``: a new version of the book is readable.
book_committed = Signal()
