"""Who is behind a request, and their time zone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from auth_tokens.account_pages.time_zones import time_zone_of
from auth_tokens.audit.actor import acting_as
from auth_tokens.models import User

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def signed_in_user(request: HttpRequest) -> User | None:
    """Return the session's user.

    Without a session cookie it reads neither session nor database.
    """
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    return request.user if isinstance(request.user, User) else None


class ActorMiddleware:
    """Make the signed-in user the actor of the request's changes in the audit trail."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting_as(lambda: signed_in_user(request)):
            return self.get_response(request)


class TimeZoneMiddleware:
    """Show times on pages in the zone the person chose.

    API views stay in UTC: their bodies are the same for every reader, and clients convert.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, keywords: Any
    ) -> HttpResponseBase | None:
        is_api_view = hasattr(view, "cls")
        user = None if is_api_view else signed_in_user(request)
        if user is not None and user.time_zone:
            timezone.activate(time_zone_of(user.time_zone))
        return None
