"""Look up a session's user again, for sockets that outlive the request that opened them."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from auth_tokens.models import User


def user_id_claimed_by(session_key: str | None) -> str | None:
    """Return the user id in a stored session, whether or not the session is still valid."""
    if not session_key:
        return None
    claimed: str | None = _store(session_key).get(auth.SESSION_KEY)
    return claimed


def user_of_session(session_key: str | None) -> User | None:
    """Return the active user of a stored session.

    ``None`` after log-out, expiry or a changed password.
    """
    if not session_key:
        return None
    request = HttpRequest()
    request.session = _store(session_key)
    user = auth.get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def _store(session_key: str) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return store
