"""The webhook of signals: parse, authorise, call one function, answer."""

from __future__ import annotations

from typing import cast

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core.api.parameters import QueryParameters
from config.core.errors import InvalidInput
from trades.models import SignalSource
from trades.trade_signals import shapes
from trades.trade_signals.authentication import SourceTokenAuthentication
from trades.trade_signals.reading import signal_body
from trades.trade_signals.receiving import LARGEST_BODY, receive_signal


class SignalsView(APIView):
    """Where a source of signals sends them. Sent twice with one key, a signal counts once."""

    authentication_classes = (SourceTokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="signal_send",
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=False
            )
        ],
        request=shapes.SignalSent,
        responses={200: shapes.Signal, 201: shapes.Signal},
    )
    def post(self, request: Request) -> Response:
        QueryParameters(request.query_params, allowed=())
        if len(request._request.body) > LARGEST_BODY:
            raise InvalidInput(f"The body is larger than {LARGEST_BODY} bytes.")
        received = receive_signal(
            source=cast("SignalSource", request.auth),
            values=request.data,
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        answer = Response(
            msgspec.to_builtins(signal_body(received.signal)),
            status=200 if received.is_repeated else 201,
        )
        if received.is_repeated:
            answer["Idempotency-Replayed"] = "true"
        return answer
