"""Envelopes, pages and query parameters of the simulated Tastytrade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from portfolio.sandbox.tastytrade.instruments import NEW_YORK, Payload
from portfolio.sandbox.tastytrade.log_ins import error_response

LARGEST_PAGE: Final = 2000


class RefusedRequest(Exception):
    """Ends a request with an error in the vendor's form."""

    def __init__(self, status: int, code: str, message: str, **reasons: str) -> None:
        super().__init__(message)
        errors = [{"domain": field, "reason": reason} for field, reason in reasons.items()]
        self.response = error_response(status, code, message, *errors)


def invalid(**reasons: str) -> RefusedRequest:
    """Return the refusal of the named parameters."""
    return RefusedRequest(400, "validation_error", "Request validation failed", **reasons)


async def unknown_path(request: Request, error: Exception) -> Response:
    return error_response(404, "not_found", "Not Found")


def object_answer(request: Request, data: Payload, **others: Any) -> JSONResponse:
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return JSONResponse({"data": data, "context": path, **others})


def items_answer(request: Request, rows: Sequence[Payload], **others: Any) -> JSONResponse:
    return object_answer(request, {"items": list(rows)}, **others)


def page_answer(request: Request, rows: list[Payload], *, default: int) -> JSONResponse:
    size = _whole(request, "per-page", default, least=1, most=LARGEST_PAGE)
    page = _whole(request, "page-offset", 0, least=0, most=10**9)
    kept = rows[page * size : (page + 1) * size]
    pagination = {
        "per-page": size,
        "page-offset": page,
        "item-offset": page * size,
        "total-items": len(rows),
        "total-pages": -(-len(rows) // size),
        "current-item-count": len(kept),
        "previous-link": None,
        "next-link": None,
        "paging-link-template": None,
    }
    return items_answer(request, kept, pagination=pagination)


def _whole(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise invalid(**{name: f"must be between {least} and {most}"})
    return int(text)


def moment_parameter(request: Request, name: str, *, whole_day: bool = False) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(**{name: "is not a time"}) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=NEW_YORK)
    return moment + timedelta(days=1) if whole_day else moment


def listed_parameter(request: Request, name: str) -> list[str]:
    """Return a parameter's symbols: repeated, with ``[]``, or separated by commas."""
    query = request.query_params
    values = query.getlist(name) + query.getlist(f"{name}[]")
    return [symbol for value in values for symbol in value.split(",") if symbol.strip()]
