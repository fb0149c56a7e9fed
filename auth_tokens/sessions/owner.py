"""Look up a session's user again, for sockets that outlive the request that opened them."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest

from auth_tokens.models import User


def user_of_session(session_key: str | None) -> User | None:
    """Return the active user of a stored session.

    ``None`` after log-out, expiry or a changed password.
    """
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = auth.get_user(request)
    return user if isinstance(user, User) and user.is_active else None
