"""Signals to the apps above, which this app cannot import. They hold no secret.

They are received at once, not by a task: staff learn of a failed token even while the queue is
down, and no old key may be removed before everything is re-encrypted.
"""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after commit with ``provider``, ``code``, ``message``, ``stopped`` (an operator has to act).
token_failed = Signal()
#: Receivers that encrypt with ``broker_tokens.crypto`` must re-encrypt under the first key now.
keys_rotating = Signal()
