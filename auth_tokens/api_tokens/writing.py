"""Create and revoke personal API tokens. The text is shown once; only its SHA-256 is stored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from auth_tokens.api_tokens.digests import TOKEN_PREFIX, token_digest
from auth_tokens.api_tokens.reading import active_api_tokens
from auth_tokens.audit.writing import record_audit_event
from auth_tokens.models import ApiToken, User
from config.core.clock import now
from config.core.errors import Conflict, InvalidInput, NotFound

MAXIMUM_ACTIVE_TOKENS = 20
_RANDOM_BYTES = 32
_SHOWN_CHARACTERS = len(TOKEN_PREFIX) + 6


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A new token and its text, which is never stored."""

    token: ApiToken
    text: str = field(repr=False)


def create_api_token(
    *,
    user: User,
    name: str,
    scope: str = ApiToken.Scope.READ,
    expires_at: datetime | None = None,
) -> IssuedToken:
    """Issue a token for the user. Raises ``InvalidInput`` or, at the limit, ``Conflict``."""
    name = name.strip()
    problems: dict[str, str] = {}
    if not name or len(name) > 64 or not name.isprintable():
        problems["name"] = "1 to 64 printable characters"
    if scope not in ApiToken.Scope.values:
        problems["scope"] = f"one of {', '.join(ApiToken.Scope.values)}"
    if expires_at is not None and expires_at <= now():
        problems["expires_at"] = "a time in the future"
    if problems:
        raise InvalidInput("The token cannot be made.", fields=problems)
    text = TOKEN_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    with transaction.atomic():
        # The row lock keeps two requests from both taking the last place.
        User.objects.select_for_update().get(pk=user.pk)
        if active_api_tokens(user).count() >= MAXIMUM_ACTIVE_TOKENS:
            raise Conflict(f"You have {MAXIMUM_ACTIVE_TOKENS} active tokens: revoke one first.")
        token = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=text[:_SHOWN_CHARACTERS],
            digest=token_digest(text),
            scope=scope,
            expires_at=expires_at,
        )
        record_audit_event(
            event="api_token.created",
            subject=f"api_token {token.pk}",
            detail={"user": user.get_username(), "prefix": token.prefix, "scope": scope},
            actor=user,
        )
    return IssuedToken(token=token, text=text)


def revoke_api_token(*, actor: User, token_id: int) -> ApiToken:
    """Revoke one of the actor's tokens; superusers may revoke anyone's.

    Raises ``NotFound`` for both foreign and unknown tokens. Revoking twice changes nothing.
    """
    with transaction.atomic():
        tokens = ApiToken.objects.select_for_update(of=("self",)).select_related("user")
        if not actor.is_superuser:
            tokens = tokens.filter(user=actor)
        token = tokens.filter(pk=token_id).first()
        if token is None:
            raise NotFound("No such token.", fields={"token_id": "unknown"})
        if token.revoked_at is None:
            token.revoked_at = now()
            token.save(update_fields=["revoked_at"])
            record_audit_event(
                event="api_token.revoked",
                subject=f"api_token {token.pk}",
                detail={"user": token.user.get_username(), "prefix": token.prefix},
                actor=actor,
            )
    return token
