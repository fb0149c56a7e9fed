"""Read users' tokens, and find the token behind a request."""

from __future__ import annotations

import hmac

from django.db.models import Q, QuerySet

from auth_tokens.api_tokens.digests import is_token_text, token_digest
from auth_tokens.models import ApiToken, User
from config.core.clock import now


def api_tokens_of(user: User) -> QuerySet[ApiToken]:
    """Return all tokens of the user, newest first, revoked and expired ones included."""
    return ApiToken.objects.filter(user=user)


def active_api_tokens(user: User) -> QuerySet[ApiToken]:
    """Return the user's tokens that are valid now."""
    return api_tokens_of(user).filter(_usable())


def api_token_by_text(text: str) -> ApiToken | None:
    """Return the valid token with this text and its user, or ``None``. One query.

    The look-up goes by digest, so its time says nothing about the text; the comparison is
    constant-time as well. Revoked and expired tokens and those of inactive users are not found.
    """
    if not is_token_text(text):
        return None
    digest = token_digest(text)
    token = (
        ApiToken.objects.select_related("user")
        .filter(_usable(), digest=digest, user__is_active=True)
        .first()
    )
    if token is None or not hmac.compare_digest(token.digest, digest):
        return None
    return token


def _usable() -> Q:
    return Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=now()))
