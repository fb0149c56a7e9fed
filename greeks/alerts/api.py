"""The alerts' API: everybody has their own rules, channels and events."""

from __future__ import annotations

from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core.api.idempotency import idempotent
from config.core.api.parameters import QueryParameters
from config.core.api.shapes import Shape, read_shape
from greeks.alerts import shapes
from greeks.alerts.reading import (
    channels_of,
    events_body,
    metrics_body,
    rule_body,
    rule_for_user,
    rules_of,
)
from greeks.alerts.rules import (
    create_alert_rule,
    delete_alert_rule,
    mark_alert_events_read,
    update_alert_rule,
)
from greeks.alerts.sending.channels import (
    create_alert_channel,
    delete_alert_channel,
    send_test_alert,
)

_DELETED = OpenApiResponse(description="Deleted.")


class OwnView(APIView):
    """Views of what is the caller's own: no parameters, and nothing that a cache may keep."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        QueryParameters(request.query_params, allowed=())

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished["Cache-Control"] = "private, no-cache"
        return finished


def _answer(body: Shape, **named: Any) -> Response:
    return Response(msgspec.to_builtins(body), **named)


class AlertRulesView(OwnView):
    """The caller's rules, and new ones."""

    @extend_schema(operation_id="alert_rules", responses=shapes.AlertRules)
    def get(self, request: Request) -> Response:
        return _answer(
            shapes.AlertRules(rules=[rule_body(rule) for rule in rules_of(request.user)])
        )

    @extend_schema(
        operation_id="alert_rule_create",
        request=shapes.AlertRuleWrite,
        responses={201: shapes.AlertRule},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        rule = create_alert_rule(user=request.user, values=request.data)
        return _answer(
            rule_body(rule), status=201, headers={"Location": f"/api/market/alerts/{rule.pk}"}
        )


class AlertRuleView(OwnView):
    """One of the caller's rules."""

    @extend_schema(operation_id="alert_rule", responses=shapes.AlertRule)
    def get(self, request: Request, rule_id: int) -> Response:
        return _answer(rule_body(rule_for_user(request.user, rule_id)))

    @extend_schema(
        operation_id="alert_rule_update",
        request=shapes.AlertRuleWrite,
        responses=shapes.AlertRule,
    )
    def put(self, request: Request, rule_id: int) -> Response:
        rule = update_alert_rule(user=request.user, rule_id=rule_id, values=request.data)
        return _answer(rule_body(rule))

    @extend_schema(operation_id="alert_rule_delete", responses={204: _DELETED})
    def delete(self, request: Request, rule_id: int) -> Response:
        delete_alert_rule(user=request.user, rule_id=rule_id)
        return Response(status=204)


class AlertMetricsView(OwnView):
    """What can be watched."""

    @extend_schema(operation_id="alert_metrics", responses=shapes.AlertMetrics)
    def get(self, request: Request) -> Response:
        return _answer(shapes.AlertMetrics(metrics=metrics_body()))


class AlertEventsView(OwnView):
    """The newest of what the caller was told, and whether it was sent on."""

    @extend_schema(operation_id="alert_events", responses=shapes.AlertEvents)
    def get(self, request: Request) -> Response:
        return _answer(events_body(request.user))


class AlertEventsReadView(OwnView):
    """Everything up to now is read."""

    @extend_schema(
        operation_id="alert_events_read",
        request=None,
        responses=shapes.AlertsRead,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        return _answer(shapes.AlertsRead(mark_alert_events_read(user=request.user)))


class AlertChannelsView(OwnView):
    """Where the caller's messages go, and new channels."""

    @extend_schema(operation_id="alert_channels", responses=shapes.AlertChannels)
    def get(self, request: Request) -> Response:
        return _answer(
            shapes.AlertChannels(
                channels=[shapes.AlertChannel.of(each) for each in channels_of(request.user)]
            )
        )

    @extend_schema(
        operation_id="alert_channel_create",
        request=shapes.AlertChannelWrite,
        responses={201: shapes.AlertChannel},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        sent = read_shape(shapes.AlertChannelWrite, request.data)
        channel = create_alert_channel(user=request.user, name=sent.name, address=sent.address)
        return _answer(shapes.AlertChannel.of(channel), status=201)


class AlertChannelView(OwnView):
    """One of the caller's channels."""

    @extend_schema(operation_id="alert_channel_delete", responses={204: _DELETED})
    def delete(self, request: Request, channel_id: int) -> Response:
        delete_alert_channel(user=request.user, channel_id=channel_id)
        return Response(status=204)


class AlertChannelTestView(OwnView):
    """Send a test message. What became of it is in the list of events."""

    @extend_schema(
        operation_id="alert_channel_test",
        request=None,
        responses={202: shapes.AlertTest},
    )
    @idempotent
    def post(self, request: Request, channel_id: int) -> Response:
        event = send_test_alert(user=request.user, channel_id=channel_id)
        return _answer(shapes.AlertTest(event=event.pk), status=202)
