"""Signals the greeks app sends without knowing who acts on them; tasks receive them."""

from django.dispatch import Signal

#: Sent after commit with ``slug``, ``expiry`` (a date) and ``minute`` (its start, UTC): one minute
#: of a chain is stored.
minute_closed = Signal()
#: Sent after commit with ``delivery_ids``: alert messages waiting to be sent.
alert_messages_due = Signal()
