"""The second door: Django's answer with a prepared body, in the form that the client takes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers

from config.core.front_door.bodies import Body, holds
from config.core.front_door.encodings import IDENTITY, chosen_form


def private_answer(request: HttpRequest, body: Body) -> HttpResponse:
    """The body for one user, or 304 where the client holds it: never kept by a shared cache.

    Compressed bodies hold nothing that the request could have put there, and no secret.
    """
    response = _answer(request, body)
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "Authorization", "Accept-Encoding"))
    return response


def public_answer(request: HttpRequest, body: Body, *, cache_control: str) -> HttpResponse:
    """The body for everybody, or 304 where the client holds it: shared caches may keep it."""
    response = _answer(request, body)
    response["Cache-Control"] = cache_control
    patch_vary_headers(response, ("Accept-Encoding",))
    return response


def _answer(request: HttpRequest, body: Body) -> HttpResponse:
    form = chosen_form(request.headers.get("Accept-Encoding", ""))
    etag = body.etag(form)
    response: HttpResponse
    if holds(request.headers.get("If-None-Match", ""), etag):
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(body.form(form), content_type="application/json")
        if form != IDENTITY:
            response["Content-Encoding"] = form
    response["ETag"] = etag
    return response
