"""Whose a credential is, asked of the database itself: for the front door's grants."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.http.cookie import parse_cookie

from auth_tokens.api_tokens.permissions import scope_grants
from auth_tokens.api_tokens.reading import api_token_by_text
from auth_tokens.models import ApiToken, User
from auth_tokens.sessions.store import UncachedSessionStore, stored_key
from config.core.clock import now
from config.core.front_door.grants import LONGEST_SECONDS, Authorised
from config.core.front_door.requests import Caller


def authorise(caller: Caller) -> Authorised | None:
    """The active user behind a session's cookie or a personal token that may read.

    Past the brief copies of sessions in the cache: what has ended in the database has ended. At
    most three queries.
    """
    if caller.is_token:
        return _by_token(caller.credential)
    return _by_session(caller.credential)


def _by_token(header: bytes) -> Authorised | None:
    scheme, _, text = header.partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    token = api_token_by_text(text.strip().decode("latin-1"))
    if token is None or not scope_grants(token, ApiToken.Scope.READ):
        return None
    seconds = LONGEST_SECONDS
    if token.expires_at is not None:
        seconds = (token.expires_at - now()).total_seconds()
    return Authorised(token.user, seconds)


def _by_session(header: bytes) -> Authorised | None:
    name = settings.SESSION_COOKIE_NAME
    text = header.decode("latin-1")
    named = [chunk for chunk in text.split(";") if chunk.partition("=")[0].strip() == name]
    if len(named) != 1 or not header.isascii():
        # Of two sessions only Django says which one counts, and what blanks there are beside ASCII.
        return None
    key = parse_cookie(text).get(name)
    if not key:
        return None
    row = Session.objects.filter(session_key=stored_key(key), expire_date__gt=now()).first()
    if row is None:
        return None
    request = HttpRequest()
    request.session = UncachedSessionStore(key)
    user = get_user(request)
    if not (isinstance(user, User) and user.is_active):
        return None
    return Authorised(user, (row.expire_date - now()).total_seconds())
