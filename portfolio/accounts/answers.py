"""Helpers for answers of the portfolio API."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import OpenApiParameter

from config.core.front_door.bodies import holds

ACCOUNT_ID = OpenApiParameter("account_id", str, description="One account; all by default.")


def private_json(request: HttpRequest, content: bytes, *, etag: str | None = None) -> HttpResponse:
    """JSON for one user and this request: no shared cache may keep it."""
    response: HttpResponse
    if etag is not None and holds(request.headers.get("If-None-Match", ""), etag):
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(content, content_type="application/json")
    if etag is not None:
        response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "Authorization"))
    return response
