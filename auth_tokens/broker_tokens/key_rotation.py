"""Rotate the keys of the brokers' tokens."""

from __future__ import annotations

import structlog

from auth_tokens.audit.writing import record_audit_event
from auth_tokens.broker_tokens.crypto import Undecryptable, rotated
from auth_tokens.models import BrokerToken
from auth_tokens.signals import keys_rotating

logger = structlog.get_logger(__name__)


def rotate_token_keys() -> dict[str, list[str]]:
    """Encrypt every stored token with the first key. Running it twice changes nothing.

    Returns the providers that are ``rotated``, ``unchanged`` and ``undecryptable``. A token
    renewed meanwhile is skipped: it uses the first key already.
    """
    keys_rotating.send(sender=None)
    found: dict[str, list[str]] = {"rotated": [], "unchanged": [], "undecryptable": []}
    for row in BrokerToken.objects.exclude(ciphertext=""):
        try:
            ciphertext = rotated(row.ciphertext)
        except Undecryptable as error:
            logger.error("token.undecryptable", token_provider=row.provider, reason=str(error))
            found["undecryptable"].append(row.provider)
            continue
        same = BrokerToken.objects.filter(pk=row.pk, ciphertext=row.ciphertext)
        changed = ciphertext is not None and same.update(ciphertext=ciphertext)
        found["rotated" if changed else "unchanged"].append(row.provider)
    if found["rotated"]:
        record_audit_event(event="token_keys.rotated", detail={"providers": found["rotated"]})
    return found
