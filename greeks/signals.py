"""Signals of the greeks app, each with several listeners."""

from django.dispatch import Signal

#: Sent after commit with ``slug``, ``expiry`` (a date) and ``minute`` (its start, UTC): one minute
#: of a chain is stored.
minute_closed = Signal()
#: Sent with ``instrument`` and ``chain`` (an ``OptionChain``): a chain was polled in its exchange's
#: session. Its sample is stored, unless Redis is down.
chain_polled = Signal()
