"""The portfolio API: parse, authorise, call one function, answer."""

from __future__ import annotations

from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core.api.idempotency import idempotent
from config.core.api.parameters import QueryParameters
from config.core.api.shapes import read_shape
from config.core.clock import market_now
from config.core.front_door.answers import private_answer
from config.core.front_door.bodies import Body
from portfolio.accounts.answers import ACCOUNT_ID, private_json
from portfolio.amounts import ENCODER
from portfolio.book.orders import orders_visible_to
from portfolio.history.reading import day_history, history_body, minute_history
from portfolio.risk_monitor import shapes
from portfolio.risk_monitor.body import accounts_for_risk, risk_monitor_of
from portfolio.risk_monitor.prepared import prepared_risk_monitor
from portfolio.risk_monitor.reading import read_risk_monitor
from portfolio.sync import shapes as sync_shapes
from portfolio.sync.by_user import request_sync_for_user, run_body, run_for_user


class RiskMonitorFastView(APIView):
    """The whole risk monitor from the database; what is behind is refreshed meanwhile.

    Without parameters the front door answers the same bytes before Django is asked.
    """

    @extend_schema(
        operation_id="risk_monitor_fast",
        parameters=[
            ACCOUNT_ID,
            OpenApiParameter(
                "use_cached_greeks", bool, description="false: fetch Greeks before answering."
            ),
            OpenApiParameter(
                "refresh_greeks_async", bool, description="false: no background refresh."
            ),
        ],
        responses=shapes.RiskMonitor,
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(
            request.query_params,
            allowed={"account_id", "use_cached_greeks", "refresh_greeks_async"},
        )
        monitor = read_risk_monitor(
            user=request.user,
            account_id=parameters.identifier("account_id"),
            use_cached_greeks=parameters.boolean("use_cached_greeks", default=True),
            refresh_greeks_async=parameters.boolean("refresh_greeks_async", default=True),
        )
        return private_answer(request, prepared_risk_monitor(monitor).body)


class AccountsView(APIView):
    """The accounts the caller may see, with their money and state."""

    @extend_schema(operation_id="accounts", responses=shapes.Accounts)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        head = risk_monitor_of(accounts_for_risk(user=request.user)).head
        return private_json({"as_of": head["as_of"], "accounts": head["accounts"]})


class PositionsView(APIView):
    """The positions of all accounts, or of one."""

    @extend_schema(
        operation_id="portfolio_positions",
        parameters=[ACCOUNT_ID],
        responses=shapes.Positions,
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed={"account_id"})
        account_id = parameters.identifier("account_id")
        monitor = risk_monitor_of(accounts_for_risk(user=request.user, account_id=account_id))
        body = {"as_of": monitor.head["as_of"], "positions": monitor.book.positions}
        return private_answer(request, Body(ENCODER.encode(body)))


class OrdersView(APIView):
    """The day's orders as the brokers last reported them."""

    @extend_schema(operation_id="orders", parameters=[ACCOUNT_ID], responses=shapes.Orders)
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed={"account_id"})
        orders = orders_visible_to(request.user, account_id=parameters.identifier("account_id"))
        return private_json({"orders": orders})


class HistoryView(APIView):
    """Net liquidation and Greeks over time, as columns; the last session by default."""

    @extend_schema(
        operation_id="account_history",
        parameters=[
            ACCOUNT_ID,
            OpenApiParameter("resolution", str, enum=["minute", "day"]),
            OpenApiParameter("start", OpenApiTypes.DATE, description="Inclusive."),
            OpenApiParameter("end", OpenApiTypes.DATE, description="Inclusive."),
        ],
        responses=shapes.History,
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(
            request.query_params, allowed={"account_id", "resolution", "start", "end"}
        )
        resolution = parameters.choice("resolution", ("minute", "day"), default="minute")
        start = end = None
        if "start" in request.query_params or "end" in request.query_params:
            start, end = parameters.date_range(today=market_now().date())
        accounts = accounts_for_risk(
            user=request.user, account_id=parameters.identifier("account_id")
        )
        read = minute_history if resolution == "minute" else day_history
        return private_json(history_body(accounts, read(accounts, start=start, end=end)))


class SyncView(APIView):
    """Force a synchronisation."""

    @extend_schema(
        operation_id="sync_start",
        request=sync_shapes.SyncRequest,
        responses={202: sync_shapes.SyncQueued},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        QueryParameters(request.query_params, allowed=())
        # A misspelt account_id would sync every account: unknown fields are refused.
        sent = read_shape(sync_shapes.SyncRequest, request.data)
        named = {} if sent.account_id is None else {"account_id": sent.account_id}
        account_id = QueryParameters(named, allowed={"account_id"}).identifier("account_id")
        runs = request_sync_for_user(user=request.user, account_id=account_id)
        queued = sync_shapes.SyncQueued(
            run_id=str(runs[0].id),
            runs=[
                sync_shapes.QueuedRun(str(run.id), run.account_id, f"/api/portfolio/sync/{run.id}")
                for run in runs
            ],
        )
        return Response(msgspec.to_builtins(queued), status=202)


class SyncRunView(APIView):
    """Progress and outcome of one sync."""

    @extend_schema(operation_id="sync_status", responses=sync_shapes.SyncRun)
    def get(self, request: Request, run_id: UUID) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json(run_body(run_for_user(request.user, run_id)))
