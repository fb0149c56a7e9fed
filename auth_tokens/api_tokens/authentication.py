"""Personal tokens on the API: ``Authorization: Bearer gd_…``."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import DatabaseError
from django.db.models import Q
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from auth_tokens.api_tokens.reading import api_token_by_text
from auth_tokens.models import ApiToken, User
from config.core.clock import now

_USE_RECORDED_EVERY = timedelta(minutes=1)
_log = structlog.get_logger(__name__)


class ApiTokenAuthentication(BaseAuthentication):
    """Authenticate by a personal token. ``request.auth`` is the ``ApiToken``; see ``HasScope``."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = api_token_by_text(text.strip().decode("latin-1"))
        if token is None:
            # One message for every reason: an unknown token learns nothing.
            raise AuthenticationFailed("The API token is not valid.", code="invalid_token")
        record_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="greekdesk"'


def record_use(token: ApiToken) -> None:
    """Write ``last_used_at``, at most once a minute; a busy database never fails the request."""
    at = now()
    if token.last_used_at is not None and at - token.last_used_at < _USE_RECORDED_EVERY:
        return
    unrecorded = Q(last_used_at__isnull=True) | Q(last_used_at__lte=at - _USE_RECORDED_EVERY)
    try:
        ApiToken.objects.filter(unrecorded, pk=token.pk).update(last_used_at=at)
    except DatabaseError:
        _log.warning("api_token.use_not_recorded", api_token_id=token.pk)
