"""What happens to tokens, for apps above: alerts, pages. Sent after commit; no secret in it."""

from __future__ import annotations

from django.dispatch import Signal

#: ``provider``, ``code``, ``message``, ``stopped`` (whether an operator has to act).
token_failed = Signal()
#: ``provider``, ``expires_at``.
token_renewed = Signal()
#: Whoever keeps secrets by ``broker_tokens.crypto`` encrypts them under the first key now.
keys_rotating = Signal()
