"""Views that fail on purpose, under paths of programs and of people."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.utils import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from rest_framework import exceptions, serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core.api.idempotency import idempotent
from config.core.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    RateLimitedError,
    RetryableError,
)

ERRORS: dict[str, Exception] = {
    "invalid": InvalidInput("strike: Not a number.", fields={"strike": "Not a number."}),
    "missing": NotFound("No such account."),
    "conflict": Conflict("Already there."),
    "limited": RateLimitedError("Slow down.", retry_after=3.2),
    "provider": RetryableError("broker GET /book: no answer (ReadTimeout).", provider="broker"),
    "database": DatabaseUnavailable("The database is not reachable."),
    "driver": OperationalError("connection to server at 10.0.0.1 failed: password=hunter2hunter2"),
    "django404": Http404("secret internals"),
    "django403": PermissionDenied("secret internals"),
    "suspicious": SuspiciousOperation("secret internals"),
    "bug": RuntimeError("secret internals"),
    "throttled": exceptions.Throttled(wait=7.1),
    "method": exceptions.MethodNotAllowed("PATCH"),
}


class Leg(serializers.Serializer[Any]):
    strike = serializers.DecimalField(max_digits=10, decimal_places=2)


class Order(serializers.Serializer[Any]):
    account_id = serializers.CharField()
    legs = Leg(many=True)


@api_view(["GET"])
@permission_classes([AllowAny])
def api_error(request: Request, name: str) -> Response:
    raise ERRORS[name]


def page_error(request: HttpRequest, name: str) -> HttpResponse:
    raise ERRORS[name]


class PrivateView(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})


class OrderView(APIView):
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        return Response(order.data)


calls: list[bytes] = []


class SyncView(APIView):
    permission_classes = [IsAuthenticated]

    @idempotent
    def post(self, request: Request) -> Response:
        calls.append(request.body)
        wanted = dict(request.data).get("answer", "accepted")
        if wanted == "error":
            raise Conflict("Not now.")
        status = 503 if wanted == "unavailable" else 202
        return Response(
            {"run": len(calls)}, status=status, headers={"Location": f"/api/runs/{len(calls)}"}
        )


@idempotent
def plain_sync(request: HttpRequest) -> HttpResponse:
    calls.append(request.POST["a"].encode())
    return JsonResponse({"run": len(calls)}, status=202)


@api_view(["GET"])
@authentication_classes([])
@permission_classes([AllowAny])
def api_row(request: Request, number: int) -> Response:
    return Response({"number": number})


urlpatterns = [
    path("api/errors/<str:name>", api_error),
    path("pages/<str:name>", page_error),
    path("api/django/<str:name>", page_error),
    path("api/private", PrivateView.as_view()),
    path("api/orders", OrderView.as_view()),
    path("api/rows/<int:number>", api_row),
    path("api/sync", SyncView.as_view()),
    path("api/plain-sync", plain_sync),
    # The frame of a page links to the desk's own addresses.
    path("", include("config.urls")),
]
handler400 = "config.core.api.error_handler.handler400"
handler403 = "config.core.api.error_handler.handler403"
handler404 = "config.core.api.error_handler.handler404"
handler500 = "config.core.api.error_handler.handler500"
