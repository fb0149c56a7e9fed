"""The journal's API: parse, authorise, call one function, answer."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from config.core.api.parameters import QueryParameters
from portfolio.accounts.answers import ACCOUNT_ID, FORMAT, AnyFormatView, csv_answer, private_json
from portfolio.amounts import as_float
from portfolio.domain import ExecutionKind
from trades.journal import shapes
from trades.journal.export import executions_csv
from trades.journal.reading import ExecutionFilter, accounts_of_journal, executions_of
from trades.models import TradeExecution

KINDS = ("", *(kind.value for kind in ExecutionKind))
#: Of the page and the API alike.
FILTERS = frozenset({"account_id", "underlying", "kind", "start", "end", "replaced", "before"})


def execution_filter(parameters: QueryParameters) -> ExecutionFilter:
    """Parse the filter of fills. Raises InvalidInput naming the parameter."""
    return ExecutionFilter(
        underlying=parameters.text("underlying", maximum_length=32) or "",
        kind=parameters.choice("kind", KINDS, default=""),
        start=parameters.date("start"),
        end=parameters.date("end"),
        with_replaced=parameters.boolean("replaced", default=False),
    )


class ExecutionsView(AnyFormatView):
    """Fills and the other events of the journal, newest first, in pages. CSV holds them all."""

    @extend_schema(
        operation_id="executions",
        parameters=[
            ACCOUNT_ID,
            OpenApiParameter("underlying", str, description="Only of this underlying."),
            OpenApiParameter("kind", str, enum=[*KINDS[1:]]),
            OpenApiParameter("start", OpenApiTypes.DATE, description="Inclusive."),
            OpenApiParameter("end", OpenApiTypes.DATE, description="Inclusive."),
            OpenApiParameter("replaced", bool, description="Corrected and cancelled rows too."),
            OpenApiParameter("before", str, description="`next` of the page before."),
            FORMAT,
        ],
        responses={
            (200, "application/json"): shapes.Executions,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        parameters = QueryParameters(request.query_params, allowed=FILTERS | {"format"})
        accounts = accounts_of_journal(request.user, parameters.identifier("account_id"))
        wanted = execution_filter(parameters)
        if parameters.choice("format", ("json", "csv"), default="json") == "csv":
            return csv_answer(executions_csv(accounts, wanted), "executions")
        rows, following = executions_of(accounts, wanted, before=parameters.text("before") or "")
        body = shapes.Executions(executions=[_shape(row) for row in rows], next=following or None)
        return private_json(body)


def _shape(row: TradeExecution) -> shapes.Execution:
    return shapes.Execution.of(
        row,
        id=str(row.pk),
        underlying=row.instrument.underlying,
        side=row.side or None,
        quantity=float(row.quantity),
        price=as_float(row.price),
        multiplier=float(row.instrument.multiplier),
        commission=as_float(row.commission),
        fees=as_float(row.fees),
        live=row.is_live,
    )
