"""The risk API: report, scenarios and what-if. Parse, authorise, call one function."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from auth_tokens.models import ApiToken
from config.core.api.parameters import IDENTIFIER, POSITIVE, QueryParameters
from config.core.errors import InvalidInput, invalid
from portfolio.accounts.answers import ACCOUNT_ID, FORMAT, AnyFormatView, csv_answer, private_json
from portfolio.risk import shapes
from portfolio.risk.report import risk_report
from portfolio.risk.scenarios.axes import NUMBER, parse_axes, parse_cell
from portfolio.risk.scenarios.grid import MOVES
from portfolio.risk.scenarios.grid_reading import scenario_grid
from portfolio.risk.scenarios.saved import (
    create_scenario,
    delete_scenario,
    scenario_result,
    scenarios_of,
    update_scenario,
)
from portfolio.risk.tables import grid_csv, risk_legs_csv
from portfolio.risk.what_if import shapes as what_if_shapes
from portfolio.risk.what_if.run import what_if

AXIS = {"type": "string", "pattern": f"^({NUMBER}(,{NUMBER})*|{NUMBER}:{NUMBER}:{NUMBER})$"}
CELL = {"type": "string", "pattern": f"^{NUMBER},{NUMBER},{NUMBER}$"}
PORTFOLIO = OpenApiParameter("portfolio", POSITIVE, description="One; not with account_id.")
BENCHMARK = OpenApiParameter(
    "benchmark",
    IDENTIFIER,
    description="What deltas are weighted against: a choice of /risk.",
)
_SELECTION = {"account_id", "portfolio", "benchmark"}
_LONGEST_AXIS = 600


def _selection(parameters: QueryParameters) -> dict[str, Any]:
    portfolio = parameters.text("portfolio")
    return {
        "account_id": parameters.identifier("account_id"),
        "portfolio_id": None
        if portfolio is None
        else parameters.integer("portfolio", default=0, minimum=1, maximum=2**63 - 1),
        "benchmark": parameters.identifier("benchmark"),
    }


class RiskView(AnyFormatView):
    """The risk of the whole book: per leg, underlying, expiry, account, portfolio and all."""

    @extend_schema(
        operation_id="risk_report",
        parameters=[ACCOUNT_ID, PORTFOLIO, BENCHMARK, FORMAT],
        responses={
            (200, "application/json"): shapes.RiskReport,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        parameters = QueryParameters(request.query_params, allowed=_SELECTION | {"format"})
        chosen = parameters.choice("format", ("json", "csv"), default="json")
        report = risk_report(user=request.user, **_selection(parameters))
        if chosen == "csv":
            return csv_answer(risk_legs_csv(report), "risk")
        return private_json(report)


class ScenarioGridView(AnyFormatView):
    """Spot × volatility × days by full revaluation, with the worst cell and each leg's share."""

    @extend_schema(
        operation_id="scenario_grid",
        parameters=[
            ACCOUNT_ID,
            PORTFOLIO,
            BENCHMARK,
            OpenApiParameter("spot", AXIS, description="Percent: -20,-10,0,10,20 or -20:20:5."),
            OpenApiParameter("vol", AXIS, description="Volatility points, written like spot."),
            OpenApiParameter("days", AXIS, description="Calendar days, written like spot."),
            OpenApiParameter(
                "move",
                str,
                enum=list(MOVES),
                description="beta: spot is the benchmark's; each underlying moves by its beta.",
            ),
            OpenApiParameter("cell", CELL, description="spot,vol,days: that cell with its legs."),
            FORMAT,
        ],
        responses={
            (200, "application/json"): shapes.ScenarioGrid,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        parameters = QueryParameters(
            request.query_params,
            allowed=_SELECTION | {"format", "spot", "vol", "days", "move", "cell"},
        )
        chosen = parameters.choice("format", ("json", "csv"), default="json")
        axes = parse_axes(
            spot=parameters.text("spot", maximum_length=_LONGEST_AXIS),
            vol=parameters.text("vol", maximum_length=_LONGEST_AXIS),
            days=parameters.text("days", maximum_length=_LONGEST_AXIS),
        )
        cell = parameters.text("cell")
        grid = scenario_grid(
            user=request.user,
            axes=axes,
            move=parameters.choice("move", MOVES, default="uniform"),
            cell=None if cell is None else parse_cell(cell),
            **_selection(parameters),
        )
        if chosen == "csv":
            return csv_answer(grid_csv(grid), "scenarios")
        return private_json(grid)


class SavedScenariosView(APIView):
    """The caller's own scenarios, and new ones."""

    @extend_schema(operation_id="saved_scenarios", responses=shapes.SavedScenarios)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json({"scenarios": scenarios_of(request.user)})

    @extend_schema(
        operation_id="saved_scenario_create",
        request=shapes.ScenarioWrite,
        responses={201: shapes.SavedScenario},
    )
    def post(self, request: Request) -> Response:
        QueryParameters(request.query_params, allowed=())
        return Response(create_scenario(user=request.user, values=request.data), status=201)


class SavedScenarioView(APIView):
    """One of the caller's scenarios, with what it would do to the book."""

    @extend_schema(
        operation_id="saved_scenario",
        parameters=[ACCOUNT_ID, PORTFOLIO],
        responses=shapes.ScenarioWithResult,
    )
    def get(self, request: Request, scenario_id: int) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed={"account_id", "portfolio"})
        chosen = _selection(parameters)
        body = scenario_result(
            user=request.user,
            scenario_id=scenario_id,
            account_id=chosen["account_id"],
            portfolio_id=chosen["portfolio_id"],
        )
        return private_json(body)

    @extend_schema(
        operation_id="saved_scenario_update",
        request=shapes.ScenarioWrite,
        responses=shapes.SavedScenario,
    )
    def put(self, request: Request, scenario_id: int) -> Response:
        QueryParameters(request.query_params, allowed=())
        return Response(
            update_scenario(user=request.user, scenario_id=scenario_id, values=request.data)
        )

    @extend_schema(
        operation_id="saved_scenario_delete",
        responses={204: OpenApiResponse(description="Deleted.")},
    )
    def delete(self, request: Request, scenario_id: int) -> Response:
        QueryParameters(request.query_params, allowed=())
        delete_scenario(user=request.user, scenario_id=scenario_id)
        return Response(status=204)


class WhatIfView(APIView):
    """The same numbers before and after legs are added, changed or closed; nothing is written."""

    # A calculation is a read, though its question is too long for an address.
    required_scope = ApiToken.Scope.READ

    @extend_schema(
        operation_id="what_if",
        request=what_if_shapes.WhatIfRequest,
        responses=what_if_shapes.WhatIf,
    )
    def post(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        if not isinstance(request.data, dict):
            raise InvalidInput("Expected an object.", fields={"changes": "Missing."})
        given = {name: value for name, value in request.data.items() if value is not None}
        parameters = QueryParameters(
            given, allowed=what_if_shapes.WhatIfRequest.__struct_encode_fields__
        )
        for name, value in given.items():
            if name != "changes" and not isinstance(value, str | int):
                raise invalid(name, "Expected a text.")
        body = what_if(
            user=request.user, changes=request.data.get("changes"), **_selection(parameters)
        )
        return private_json(body)
