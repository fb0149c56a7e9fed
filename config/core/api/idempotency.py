"""``Idempotency-Key``: a POST sent twice takes effect once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.request import Request

from config.core.errors import Conflict, invalid

KEPT_SECONDS = 24 * 3600
# How long the first request may run before another with its key may try.
_RUNNING_SECONDS = 60
_RUNNING = "running"
_ACCEPTED_KEY = re.compile(r"[\x21-\x7e]{1,128}")

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def idempotent(view: View) -> View:
    """Decorate a POST view, or a class-based view's ``post`` method (Django or REST framework).

    With an ``Idempotency-Key`` header, the first response below 500 is kept 24 hours for this user,
    path and key, and repeated with ``Idempotency-Replayed: true``. The same key with another body,
    or while the first request still runs, raises ``Conflict``. A 500, an error or no header stores
    nothing. Without Redis nothing is stored and each request counts, so the view should be harmless
    when run twice.
    """

    @wraps(view)
    def wrapped(*arguments: Any, **named: Any) -> HttpResponseBase:
        request = _find_request(arguments)
        offered = request.headers.get("Idempotency-Key")
        if offered is None:
            return view(*arguments, **named)
        if not _ACCEPTED_KEY.fullmatch(offered):
            problem = "Expected 1 to 128 printable characters without spaces."
            raise invalid("Idempotency-Key", problem)
        name, fingerprint = _cache_name(request, offered), _fingerprint(request)
        if not cache.add(name, (_RUNNING, fingerprint), _RUNNING_SECONDS):
            kept = cache.get(name)
            if kept is not None:
                return _replay(kept, fingerprint)
        try:
            response = view(*arguments, **named)
            _keep_when_rendered(response, name, fingerprint)
        except BaseException:
            cache.delete(name)
            raise
        return response

    return cast(View, wrapped)


def _find_request(arguments: tuple[Any, ...]) -> HttpRequest:
    for argument in arguments[:2]:
        if isinstance(argument, Request):
            return argument._request
        if isinstance(argument, HttpRequest):
            return argument
    raise TypeError("idempotent decorates a view that takes a request")


def _cache_name(request: HttpRequest, offered: str) -> str:
    user = getattr(request, "user", None)
    owner = str(getattr(user, "pk", None))
    text = "\n".join((owner, request.method or "", request.path, offered))
    return "idempotency:" + hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(request: HttpRequest) -> str:
    """Hash what the request asks for. Multipart parts have been read already."""
    query = request.META.get("QUERY_STRING", "")
    if request.content_type == "multipart/form-data":
        return hashlib.sha256(f"{query}\n{sorted(request.POST.lists())}".encode()).hexdigest()
    return hashlib.sha256(query.encode() + b"\n" + request.body).hexdigest()


def _keep_when_rendered(response: HttpResponseBase, name: str, fingerprint: str) -> None:
    def keep(rendered: HttpResponseBase) -> None:
        if rendered.status_code >= 500 or not isinstance(rendered, HttpResponse):
            cache.delete(name)
            return
        headers = {
            header: rendered[header]
            for header in ("Content-Type", "Location")
            if header in rendered
        }
        kept = (fingerprint, rendered.status_code, headers, rendered.content)
        cache.set(name, kept, KEPT_SECONDS)

    add_callback = getattr(response, "add_post_render_callback", None)
    if add_callback is not None:
        add_callback(keep)
    else:
        keep(response)


def _replay(kept: tuple[Any, ...], fingerprint: str) -> HttpResponse:
    if kept[0] == _RUNNING:
        if kept[1] != fingerprint:
            raise Conflict("This Idempotency-Key was used with another body.")
        raise Conflict("The first request with this Idempotency-Key is still running.")
    first_fingerprint, status, headers, content = kept
    if first_fingerprint != fingerprint:
        raise Conflict("This Idempotency-Key was used with another body.")
    response = HttpResponse(content, status=status)
    for header, value in headers.items():
        response[header] = value
    response["Idempotency-Replayed"] = "true"
    return response
