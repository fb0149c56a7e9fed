"""The API of portfolios and of the queue that keeps them up to date."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from auth_tokens.account_pages.writing import choose_live_every
from auth_tokens.models import User
from auth_tokens.sessions.revocation import revoke_sessions
from config.core.api.idempotency import idempotent
from config.core.api.parameters import QueryParameters
from config.core.api.shapes import read_shape
from config.core.clock import market_now
from config.core.errors import Forbidden
from portfolio.accounts.answers import private_json
from portfolio.accounts.portfolios import remove_portfolio, save_notices, save_portfolio
from portfolio.updates import shapes
from portfolio.updates.asking import refresh_portfolio
from portfolio.updates.days import days_of
from portfolio.updates.queue import queue_portfolio_update
from portfolio.updates.reading import portfolio_of, portfolios_of
from portfolio.updates.rules import Priority
from portfolio.updates.statistics import get_queue_stats


class PortfoliosView(APIView):
    """The caller's portfolios with their value and change, and new ones."""

    @extend_schema(operation_id="portfolios", responses=shapes.Portfolios)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json({"portfolios": portfolios_of(request.user)})

    @extend_schema(
        operation_id="portfolio_create",
        request=shapes.PortfolioWrite,
        responses={201: shapes.Portfolio},
    )
    @idempotent
    def post(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return _saved(request, None, status=201)


class PortfolioView(APIView):
    """One of the caller's portfolios."""

    @extend_schema(operation_id="portfolio", responses=shapes.Portfolio)
    def get(self, request: Request, portfolio_id: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json(portfolio_of(request.user, portfolio_id))

    @extend_schema(
        operation_id="portfolio_update", request=shapes.PortfolioWrite, responses=shapes.Portfolio
    )
    def put(self, request: Request, portfolio_id: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return _saved(request, portfolio_id, status=200)

    @extend_schema(
        operation_id="portfolio_delete",
        responses={204: OpenApiResponse(description="Deleted.")},
    )
    def delete(self, request: Request, portfolio_id: int) -> Response:
        QueryParameters(request.query_params, allowed=())
        remove_portfolio(user=_person(request), portfolio_id=portfolio_id)
        return Response(status=204)


class PortfolioNoticesView(APIView):
    """A portfolio's notices to its owner."""

    @extend_schema(
        operation_id="portfolio_notices",
        request=shapes.PortfolioNotices,
        responses=shapes.Portfolio,
    )
    def put(self, request: Request, portfolio_id: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        sent = read_shape(shapes.PortfolioNotices, request.data)
        percent = None if sent.notice_percent is None else Decimal(repr(sent.notice_percent))
        save_notices(
            user=_person(request),
            portfolio_id=portfolio_id,
            notice_percent=percent,
            daily_summary=sent.daily_summary,
        )
        return private_json(portfolio_of(request.user, portfolio_id))


class LiveFrequencyView(APIView):
    """How often the book and portfolios move on the caller's open pages."""

    @extend_schema(operation_id="portfolio_live", responses=shapes.LiveFrequency)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json(_frequency(_person(request)))

    @extend_schema(
        operation_id="portfolio_live_update",
        request=shapes.LiveFrequency,
        responses=shapes.LiveFrequency,
    )
    def put(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        sent, person = read_shape(shapes.LiveFrequency, request.data), _person(request)
        choose_live_every(user=person, seconds=sent.every_seconds)
        # Open pages read their user again.
        revoke_sessions(user_ids=[person.pk])
        return private_json(_frequency(person))


class PortfolioDaysView(APIView):
    """A portfolio's value and change by session."""

    @extend_schema(
        operation_id="portfolio_days",
        parameters=[
            OpenApiParameter("start", OpenApiTypes.DATE, description="The last 30 days if absent."),
            OpenApiParameter("end", OpenApiTypes.DATE, description="Inclusive; today if absent."),
        ],
        responses=shapes.PortfolioDays,
    )
    def get(self, request: Request, portfolio_id: int) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed=("start", "end"))
        start, end = parameters.date_range(today=market_now().date())
        found = portfolio_of(request.user, portfolio_id)
        days = days_of([found], start=start, end=end)[found["id"]]
        return private_json({"days": days})


class PortfolioRefreshView(APIView):
    """Recalculate one portfolio now, ahead of what the market moves."""

    @extend_schema(
        operation_id="portfolio_refresh", request=None, responses={202: shapes.RefreshQueued}
    )
    @idempotent
    def post(self, request: Request, portfolio_id: int) -> Response:
        QueryParameters(request.query_params, allowed=())
        found = portfolio_of(request.user, portfolio_id)
        queued = queue_portfolio_update(portfolio_id, priority=Priority.MANUAL)
        return Response(msgspec.to_builtins(shapes.RefreshQueued(found["id"], queued)), status=202)


class QueueView(APIView):
    """What the update queue holds, and how long portfolios waited in it."""

    @extend_schema(operation_id="portfolio_queue", responses=shapes.QueueStatistics)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json(get_queue_stats())


def _saved(request: Request, portfolio_id: int | None, *, status: int) -> HttpResponse:
    sent = read_shape(shapes.PortfolioWrite, request.data)
    saved = save_portfolio(
        user=_person(request),
        name=sent.name,
        account_ids=sent.account_ids,
        portfolio_id=portfolio_id,
    )
    refresh_portfolio(saved.pk)
    response = private_json(portfolio_of(request.user, saved.pk))
    response.status_code = status
    return response


def _frequency(person: User) -> shapes.LiveFrequency:
    return shapes.LiveFrequency(person.live_every)


def _person(request: Request) -> User:
    if not isinstance(request.user, User):
        raise Forbidden("Portfolios are kept for users.")
    return request.user
