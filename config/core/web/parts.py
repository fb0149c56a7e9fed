"""Parts of a page, rendered alone for the script that puts each in place of the one with its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

PARTS_HEADER = "X-Parts"


def answer_parts(
    request: HttpRequest,
    declared: Mapping[str, Sequence[str]],
    context: Mapping[str, Any],
    etag_of: Callable[[Sequence[str]], str] | None = None,
) -> HttpResponse | None:
    """Render the parts named in ``X-Parts``; None if it names none that the page declares.

    ``declared`` has the templates of each part. Each is rendered once, in the declared order,
    however often the header names it. With ``etag_of`` a GET can be answered 304.
    """
    names = set(request.headers.get(PARTS_HEADER, "").split(","))
    asked = [name for name in declared if name in names]
    if not asked:
        return None
    etag = etag_of(asked) if etag_of and request.method == "GET" else None
    known = parse_etags(request.headers.get("If-None-Match", "").replace("W/", ""))
    response: HttpResponse
    if etag in known:
        response = HttpResponseNotModified()
    else:
        shown = {**context, "is_part": True}
        templates = [template for name in asked for template in declared[name]]
        response = HttpResponse(
            "".join(render_to_string(template, shown, request) for template in templates)
        )
    if etag:
        response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", PARTS_HEADER))
    return response
