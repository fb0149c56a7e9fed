"""Helpers for answers of the portfolio API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import IDENTIFIER
from config.core.clock import market_now
from portfolio.amounts import ENCODER

FORMAT = OpenApiParameter("format", str, enum=["json", "csv"], description="json by default.")
ACCOUNT_ID = OpenApiParameter("account_id", IDENTIFIER, description="One account; all by default.")


def private_json(body: Any) -> HttpResponse:
    """JSON for one user: no shared cache may keep it."""
    response = HttpResponse(ENCODER.encode(body), content_type="application/json")
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "Authorization"))
    return response


def csv_answer(lines: Iterator[str], name: str) -> HttpResponseBase:
    """A download that is written as it is made."""
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    stamp = f"{market_now():%Y%m%d-%H%M}"
    response["Content-Disposition"] = f'attachment; filename="greekdesk-{name}-{stamp}.csv"'
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "Authorization"))
    return response


class AnyFormatView(APIView):
    """Views whose ``format`` parameter is their own, not REST framework's choice of renderer."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type
