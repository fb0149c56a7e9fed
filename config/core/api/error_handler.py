"""Return every failure in one shape, with the request id and never a stack trace."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db.utils import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from config.core.database import database_unavailable, ensure_database
from config.core.errors import ApplicationError, DatabaseUnavailable, RateLimitedError

# Paths called by programs: their errors are always JSON.
MACHINE_PATHS = ("/api", "/market/data", "/health", "/metrics")
# Paths that answer without the database: health checks, and the market's, which have a last good
# copy.
WITHOUT_DATABASE = frozenset(
    {"/health", "/metrics", "/market/data", "/api/market/chain", "/api/market/instruments"}
)

#: Statuses with a page of their own; any other is shown by ``error.html``.
_PAGES = frozenset({400, 403, 404, 429, 500})
_SIGN_IN = "Log in, or send a personal token from /accounts/tokens: Authorization: Bearer gd_…"
_NOT_FOUND = "There is nothing here, or it is not yours."
_UNEXPECTED = "Something went wrong here. It is logged under the request id."


def error_body(
    code: str, message: str, *, request: HttpRequest | None, fields: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """``{"error": {code, message, fields?, request_id}}``."""
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = dict(fields)
    error["request_id"] = getattr(request, "request_id", "")
    return {"error": error}


def is_for_a_machine(request: HttpRequest) -> bool:
    return any(
        request.path == path or request.path.startswith(path + "/") for path in MACHINE_PATHS
    )


# --- Django REST framework --------------------------------------------------------------------
def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler. Unknown errors pass to ``handler500`` and the log."""
    request = context.get("request")
    http_request = getattr(request, "_request", request)
    if isinstance(error, OperationalError | InterfaceError):
        error = database_unavailable(error)
    if isinstance(error, ApplicationError):
        set_rollback()
        return Response(
            error_body(error.code, error.message, request=http_request, fields=error.fields),
            status=error.status,
            headers=_headers_of(error),
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound(_NOT_FOUND)
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    code, message, fields = _describe(error)
    if isinstance(error, exceptions.NotAuthenticated):
        message = _SIGN_IN
    status, headers = error.status_code, {}
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        # Session authentication comes first in the list and has no challenge to send.
        status, headers["WWW-Authenticate"] = 401, "Bearer"
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return Response(
        error_body(code, message, request=http_request, fields=fields),
        status=status,
        headers=headers,
    )


def _describe(error: exceptions.APIException) -> tuple[str, str, dict[str, str]]:
    """Return code, message and fields of a REST framework error."""
    if isinstance(error, exceptions.ValidationError):
        fields = _flatten(error.detail)
        message = "; ".join(
            f"{name}: {text}" if name else text for name, text in list(fields.items())[:5]
        )
        return "invalid_input", message or "Invalid input.", {n: t for n, t in fields.items() if n}
    detail = error.detail
    code = getattr(detail, "code", None) or error.default_code
    return str(code), str(detail), {}


def _flatten(detail: Any, prefix: str = "") -> dict[str, str]:
    """``{"legs.0.strike": "…"}`` from nested validation errors."""
    if isinstance(detail, Mapping):
        found: dict[str, str] = {}
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            found |= _flatten(inner, ".".join(part for part in (prefix, own) if part))
        return found
    if isinstance(detail, list):
        if all(isinstance(item, str) for item in detail):
            return {prefix: " ".join(str(item) for item in detail)}
        found = {}
        for index, inner in enumerate(detail):
            if inner:
                found |= _flatten(inner, f"{prefix}.{index}" if prefix else str(index))
        return found
    return {prefix: str(detail)}


# --- What config.urls names for Django ---------------------------------------------------------
def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a malformed request."""
    if isinstance(exception, RequestDataTooBig) and is_for_a_machine(request):
        return _json(request, 413, "body_too_large", "The body is larger than is read here.")
    return _fail(request, 400, "bad_request", "The request is not well formed.")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Something this user may not do."""
    return _fail(request, 403, "permission_denied", "You may not do this.")


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that does not exist or belongs to someone else."""
    return _fail(request, 404, "not_found", _NOT_FOUND)


def handler500(request: HttpRequest) -> HttpResponse:
    """Our own failure. The traceback is in the log under the request id.

    A lost database is none, wherever it was noticed: middleware reads sessions, too.
    """
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return _answer(request, database_unavailable(error))
    if isinstance(error, ApplicationError):
        return _answer(request, error)
    return _fail(request, 500, "internal_error", _UNEXPECTED)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """``CSRF_FAILURE_VIEW``."""
    message = "The CSRF token is missing or wrong."
    return _fail(request, 403, "csrf_failed", message, page="403_csrf.html")


def _fail(
    request: HttpRequest, status: int, code: str, message: str, *, page: str | None = None
) -> HttpResponse:
    """Answer a program with the message, a person with the page of the status."""
    if is_for_a_machine(request):
        return _json(request, status, code, message)
    return _page(request, status, name=page)


class ApplicationErrorMiddleware:
    """Turn an ``ApplicationError`` from a page's view into a response.

    While the database is gone, requests fail at once instead of waiting, except a single probe.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path not in WITHOUT_DATABASE:
            try:
                ensure_database()
            except DatabaseUnavailable as error:
                return _answer(request, error)
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not is_for_a_machine(request):
            page = _page(request, 405, message="This address takes a form, not a visit.")
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError | InterfaceError):
            error = database_unavailable(error)
        return _answer(request, error) if isinstance(error, ApplicationError) else None


def _answer(request: HttpRequest, error: ApplicationError) -> HttpResponse:
    if is_for_a_machine(request):
        response: HttpResponse = _json(
            request, error.status, error.code, error.message, fields=error.fields
        )
    else:
        response = _page(
            request,
            error.status,
            message=error.message,
            nobody=isinstance(error, DatabaseUnavailable),
        )
    for name, value in _headers_of(error).items():
        response[name] = value
    return response


def _page(
    request: HttpRequest,
    status: int,
    *,
    message: str = "",
    name: str | None = None,
    nobody: bool = False,
) -> HttpResponse:
    """Return the desk's page of an error, by the template of its name or status.

    ``nobody``: do not ask the database who is logged in.
    """
    template = name or (f"{status}.html" if status in _PAGES else "error.html")
    shown = {"error": {"status": status, "message": message}}
    try:
        if not nobody:
            return render(request, template, shown, status=status)
    except Exception:  # noqa: BLE001, S110 - there is always a page
        # Whatever broke is in the log already.
        pass
    # The frame shows who is logged in, and needs the database for it. Without the request's
    # context it shows nobody.
    return HttpResponse(render_to_string(template, {**shown, "request": request}), status=status)


def _json(
    request: HttpRequest,
    status: int,
    code: str,
    message: str,
    *,
    fields: Mapping[str, str] | None = None,
) -> JsonResponse:
    return JsonResponse(error_body(code, message, request=request, fields=fields), status=status)


def _headers_of(error: ApplicationError) -> dict[str, str]:
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, DatabaseUnavailable):
        return {"Retry-After": "2"}
    return {}
