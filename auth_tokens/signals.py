"""Token signals for higher apps (alerts, pages). Sent after commit; they hold no secret."""

from __future__ import annotations

from django.dispatch import Signal

#: ``provider``, ``code``, ``message``, ``stopped`` (whether an operator has to act).
token_failed = Signal()
#: ``provider``, ``expires_at``.
token_renewed = Signal()
#: Receivers that encrypt with ``broker_tokens.crypto`` must re-encrypt under the first key now.
keys_rotating = Signal()
