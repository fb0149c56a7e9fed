"""Sources of signals and their tokens. A token's text is shown once; its SHA-256 is stored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction

from auth_tokens.api_tokens.digests import token_digest
from auth_tokens.audit.writing import record_audit_event
from auth_tokens.models import User
from config.core.errors import Conflict, InvalidInput, NotFound
from trades.models import SignalSource
from trades.trade_signals.reading import TOKEN_PREFIX

#: The source of signals that a user enters.
BY_HAND: Final = "By hand"
MOST_SOURCES: Final = 50
_SHOWN: Final = len(TOKEN_PREFIX) + 6


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedSource:
    """A source with the text of its new token, which is never stored."""

    source: SignalSource
    text: str = field(repr=False)


@transaction.atomic
def create_source(*, user: User, name: str) -> IssuedSource:
    """Make a source with a token. Raises InvalidInput or Conflict."""
    name = " ".join(name.split())
    if not name or len(name) > 64 or not name.isprintable():
        raise InvalidInput(
            "A source needs a name.", fields={"name": "1 to 64 printable characters"}
        )
    User.objects.select_for_update().get(pk=user.pk)
    own = SignalSource.objects.filter(owner=user)
    if own.filter(name=name).exists():
        raise Conflict("You have a source of this name.", fields={"name": "taken"})
    if own.count() >= MOST_SOURCES:
        raise Conflict(f"You have {MOST_SOURCES} sources: use one of them.")
    return _issue(SignalSource(owner=user, name=name), user, "signal_source.created")


@transaction.atomic
def renew_token(*, user: User, source_id: int) -> IssuedSource:
    """Give one of the user's sources a new token; the old one ends. Raises NotFound."""
    source = SignalSource.objects.select_for_update().filter(pk=source_id, owner=user).first()
    if source is None:
        raise NotFound("No such source.")
    return _issue(source, user, "signal_source.token_renewed")


def source_by_hand(user: User) -> SignalSource:
    """Return the source of signals the user enters."""
    source, _ = SignalSource.objects.get_or_create(owner=user, name=BY_HAND)
    return source


def _issue(source: SignalSource, user: User, event: str) -> IssuedSource:
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    source.token_prefix, source.token_digest = text[:_SHOWN], token_digest(text)
    source.save()
    record_audit_event(
        event=event,
        subject=f"signal_source {source.pk}",
        detail={"user": user.get_username(), "prefix": source.token_prefix},
        actor=user,
    )
    return IssuedSource(source=source, text=text)
