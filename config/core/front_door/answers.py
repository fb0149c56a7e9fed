"""The second door: Django's answer with a prepared body, in a form the client accepts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers

from config.core.front_door.bodies import Body, holds
from config.core.front_door.encodings import IDENTITY, chosen_form


def private_answer(request: HttpRequest, body: Body) -> HttpResponse:
    """Return the body for one user, or 304 if the client has it. Shared caches must not keep it.

    Compression is safe: the body holds no secret and nothing the request could have put there.
    """
    response = _answer(request, body)
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "Authorization", "Accept-Encoding"))
    return response


def public_answer(request: HttpRequest, body: Body, *, cache_control: str) -> HttpResponse:
    """Return the body for everybody, or 304 if the client has it. Shared caches may keep it."""
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
