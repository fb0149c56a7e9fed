"""A source's token on the webhook: ``Authorization: Bearer gs_…``."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from auth_tokens.models import User
from trades.models import SignalSource
from trades.trade_signals.reading import source_by_token


class SourceTokenAuthentication(BaseAuthentication):
    """Authenticate a source of signals. ``request.auth`` is the ``SignalSource``."""

    def authenticate(self, request: Request) -> tuple[User, SignalSource] | None:
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        source = source_by_token(text.strip().decode("latin-1"))
        if source is None:
            # One message for every reason: an unknown token learns nothing.
            raise AuthenticationFailed("The source's token is not valid.", code="invalid_token")
        return source.owner, source

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="greekdesk signals"'


class SourceTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """``Authorization: Bearer gs_…``."""

    target_class = "trades.trade_signals.authentication.SourceTokenAuthentication"
    name = "signalSourceToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of a source of signals, from /trades/signals.",
        }
