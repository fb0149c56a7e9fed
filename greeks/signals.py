"""What services tell without knowing who does something about it: received by tasks."""

from django.dispatch import Signal

#: Sent after commit with ``slug``, ``expiry`` (a date) and ``minute`` (its start, UTC): one minute
#: of a chain is stored.
minute_closed = Signal()
#: Sent after commit with ``delivery_ids``: messages of alerts wait to be sent.
alert_messages_due = Signal()
