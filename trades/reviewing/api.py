"""The API of trades: parse, authorise, call one function, answer."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import POSITIVE, QueryParameters
from portfolio.accounts.answers import ACCOUNT_ID, FORMAT, AnyFormatView, csv_answer, private_json
from portfolio.amounts import as_float
from trades.journal.reading import accounts_of_journal
from trades.models import TradeFill, TradeLeg, TradeNote
from trades.reviewing import shapes
from trades.reviewing.detail import read_detail, trade_for_user
from trades.reviewing.filters import TradeFilter, asked_parameters
from trades.reviewing.listing import Listed, Row, list_trades, trades_csv
from trades.reviewing.newest import newest_fills
from trades.strategies.results import Totals

_MOST_PAGES = 1_000_000
_TYPES: dict[str, Any] = {"chain": POSITIVE, "start": OpenApiTypes.DATE, "end": OpenApiTypes.DATE}
_PAGE = POSITIVE | {"maximum": _MOST_PAGES}


def _filters() -> list[OpenApiParameter]:
    found = []
    for name, each in TradeFilter.base_filters.items():
        choices = each.extra.get("choices")
        found.append(
            OpenApiParameter(
                name,
                _TYPES.get(name, str),
                enum=[value for value, _ in choices] if choices else None,
                description=each.extra.get("help_text", ""),
            )
        )
    return found


class TradesView(AnyFormatView):
    """Trades in pages, with the sums of all that was asked for. CSV holds them all."""

    @extend_schema(
        operation_id="trades",
        parameters=[
            ACCOUNT_ID,
            *_filters(),
            OpenApiParameter("page", _PAGE, description="From 1."),
            FORMAT,
        ],
        responses={
            (200, "application/json"): shapes.TradeList,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        parameters = asked_parameters(request.query_params)
        accounts = accounts_of_journal(request.user, parameters.identifier("account_id"))
        asked = asked_filters(parameters)
        if parameters.choice("format", ("json", "csv"), default="json") == "csv":
            return csv_answer(trades_csv(accounts, asked), "trades")
        page = parameters.integer("page", default=1, minimum=1, maximum=_MOST_PAGES)
        return private_json(_list(list_trades(accounts, asked, page=page)))


class TradeView(APIView):
    """One trade with its legs, fills and notes. The key of any of its openings leads to it."""

    @extend_schema(operation_id="trade", responses=shapes.TradeDetail)
    def get(self, request: Request, key: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        detail = read_detail(trade_for_user(request.user, key))
        body = shapes.TradeDetail.of(
            detail.row.trade,
            **_computed(detail.row),
            legs=[_leg(leg) for leg in detail.legs],
            fills=[_fill(fill) for fill in detail.fills],
            note_list=[note_item(note) for note in detail.notes],
        )
        return private_json(body)


class NewestFillsView(APIView):
    """The newest fills: what ``/ws/trades`` sends, for pages without a websocket."""

    @extend_schema(
        operation_id="newest_fills", parameters=[ACCOUNT_ID], responses=shapes.NewestFills
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed={"account_id"})
        accounts = accounts_of_journal(request.user, parameters.identifier("account_id"))
        found = newest_fills([account.pk for account in accounts])
        return private_json(found)


def asked_filters(parameters: QueryParameters) -> dict[str, Any]:
    """Return the parameters that filter trades."""
    found = {name: parameters.text(name) for name in TradeFilter.base_filters}
    return {name: value for name, value in found.items() if value is not None}


def _list(listed: Listed) -> shapes.TradeList:
    return shapes.TradeList(
        trades=[shapes.TradeItem.of(row.trade, **_computed(row)) for row in listed.rows],
        totals=[_totals(totals) for totals in listed.totals],
        count=listed.page.paginator.count,
        is_cut=listed.is_cut,
        page=listed.page.number,
        pages=listed.page.paginator.num_pages,
    )


def _computed(row: Row) -> dict[str, Any]:
    """Return the fields of a listed trade that are not the trade's own."""
    trade = row.trade
    return {
        "id": str(trade.key),
        "open_name": trade.open_name or None,
        "outcome": row.outcome or None,
        "quantity": float(trade.quantity),
        "premium": as_float(trade.premium),
        "gross": as_float(trade.gross),
        "costs": float(trade.costs),
        "net": as_float(trade.net),
        "chain": str(trade.chain),
        "review": row.review,
        "tags": row.tags,
        "notes": row.notes,
    }


def _totals(totals: Totals) -> shapes.TradeTotals:
    return shapes.TradeTotals.of(
        totals,
        gross=as_float(totals.gross),
        costs=as_float(totals.costs),
        net=as_float(totals.net),
    )


def _leg(leg: TradeLeg) -> shapes.TradeLegItem:
    return shapes.TradeLegItem.of(
        leg,
        symbol=leg.instrument.symbol,
        quantity=float(leg.quantity),
        open_quantity=float(leg.open_quantity),
        closed_kind=leg.closed_kind or None,
        open_price=as_float(leg.open_price),
        close_price=as_float(leg.close_price),
        costs=float(leg.costs),
        gross=as_float(leg.gross),
        net=as_float(leg.net),
    )


def _fill(fill: TradeFill) -> shapes.TradeFillItem:
    execution = fill.execution
    return shapes.TradeFillItem(
        execution_id=str(execution.pk),
        role=fill.role,
        symbol=execution.symbol,
        kind=execution.kind,
        side=execution.side or None,
        quantity=float(fill.quantity),
        price=as_float(execution.price),
        execution_time=execution.execution_time,
        order_id=execution.order_id,
    )


def note_item(note: TradeNote) -> shapes.TradeNoteItem:
    return shapes.TradeNoteItem(
        id=str(note.pk),
        text=note.text,
        author=note.created_by.get_username() if note.created_by else None,
        created_at=note.created_at,
        updated_at=note.updated_at,
    )
