"""Pages of lists, with the same four fields everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core.errors import InvalidInput


class DeskPagination(PageNumberPagination):
    """``?page=1&page_size=100`` → ``{"count", "page", "pages", "results"}``.

    A page beyond the last and an impossible size are 400 naming the field.
    """

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        size = self._whole(request, "page_size", self.page_size or 1, self.max_page_size)
        number = self._whole(request, "page", 1, 10**9)
        paginator = self.django_paginator_class(queryset, size)
        if number > paginator.num_pages:
            problem = f"The last page is {paginator.num_pages}."
            raise InvalidInput(f"page: {problem}", fields={"page": problem})
        self.request = request
        self.page = paginator.page(number)
        return list(self.page)

    def get_paginated_response(self, data: Any) -> Response:
        page = self.page
        if page is None:
            raise ValueError("paginate_queryset comes first")
        return Response(
            {
                "count": page.paginator.count,
                "page": page.number,
                "pages": page.paginator.num_pages,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        whole = {"type": "integer", "minimum": 0}
        return {
            "type": "object",
            "required": ["count", "page", "pages", "results"],
            "properties": {"count": whole, "page": whole, "pages": whole, "results": schema},
        }

    @staticmethod
    def _whole(request: Request, name: str, default: int, maximum: int) -> int:
        text = request.query_params.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= maximum):
            problem = f"Expected a whole number from 1 to {maximum}."
            raise InvalidInput(f"{name}: {problem}", fields={name: problem})
        return int(text)
