"""The dashboard's API: the aggregated endpoint, and an endpoint for each declared resource."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import msgspec
from django.http import HttpResponse
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import IDENTIFIER, QueryParameters
from config.core.caching.headers import cache_headers
from config.core.caching.resources import Resource
from config.core.clock import market_now
from portfolio.accounts.answers import ACCOUNT_ID, private_json
from portfolio.dashboard.reading import Asked, answer_alone, read_dashboard
from portfolio.dashboard.shapes import dashboard_shape

_PARAMETERS = {
    "account_id": ACCOUNT_ID,
    "symbol": OpenApiParameter("symbol", IDENTIFIER),
    "start": OpenApiParameter(
        "start", OpenApiTypes.DATE, description="Inclusive; the last 30 days by default."
    ),
    "end": OpenApiParameter("end", OpenApiTypes.DATE, description="Inclusive; today by default."),
}
DASHBOARD_PARAMETERS = ("account_id", "start", "end")


class DashboardView(APIView):
    """Nine sections in one answer. One that fails is null, and named in errors."""

    def answer(self, request: Request) -> HttpResponse:
        given = read_parameters(request.query_params, DASHBOARD_PARAMETERS)
        dashboard = read_dashboard(Asked(request.user, **given))
        return private_json(msgspec.Raw(dashboard.to_json()))


class ResourceView(APIView):
    """Answers with one declared resource: the same body as the dashboard's section."""

    resource: Resource

    def answer(self, request: Request) -> HttpResponse:
        given = read_parameters(request.query_params, self.resource.parameters)
        answer = answer_alone(self.resource, request.user, given)
        response = private_json(answer.body)
        for name, value in cache_headers(answer.cache).items():
            response[name] = value
        return response


class _ListSchema(AutoSchema):
    """Describes an answer that is a list."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        return True


def dashboard_view() -> Any:
    """Return the view of ``/api/dashboard``, described as its declared sections say."""
    described = _get("dashboard", DASHBOARD_PARAMETERS, dashboard_shape())
    view: Any = type("DashboardView", (DashboardView,), {"get": described})
    return view.as_view()


def resource_view(resource: Resource) -> Any:
    """Return the view of a declared resource's address."""
    is_list = get_origin(resource.body_type) is list
    shape = get_args(resource.body_type)[0] if is_list else resource.body_type
    name = resource.name.replace(":", "_")
    view: Any = type(
        "".join(part.title() for part in name.split("_")) + "View",
        (ResourceView,),
        {
            "resource": resource,
            "get": _get(name, resource.parameters, shape),
            "schema": _ListSchema() if is_list else AutoSchema(),
            "__doc__": ResourceView.__doc__,
        },
    )
    return view.as_view()


def _get(name: str, parameters: tuple[str, ...], shape: Any) -> Any:
    """Return a view's method, described for the OpenAPI document."""

    @extend_schema(
        operation_id=name, parameters=[_PARAMETERS[each] for each in parameters], responses=shape
    )
    def get(self: Any, request: Request) -> HttpResponse:
        response: HttpResponse = self.answer(request)
        return response

    return get


def read_parameters(
    values: Any, names: tuple[str, ...], *, is_form: bool = False
) -> dict[str, Any]:
    """Return what was given, checked; refuse everything but ``names``. A form leaves blanks."""
    read = QueryParameters.of_form if is_form else QueryParameters
    parameters = read(values, allowed=names)
    given: dict[str, Any] = {
        name: parameters.identifier(name) for name in names if name in ("account_id", "symbol")
    }
    days = {name: parameters.date(name) for name in names if name in ("start", "end")}
    if any(days.values()):
        parameters.date_range(today=market_now().date())
    return given | days
