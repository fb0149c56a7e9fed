"""The API of one trade's charts."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import QueryParameters
from portfolio.accounts.answers import private_json
from trades.life import shapes
from trades.life.payoff import read_payoff
from trades.life.reading import read_life
from trades.reviewing.detail import trade_for_user


class TradeLifeView(APIView):
    """A trade's profit and Greeks from its opening on, by the marks of its contracts."""

    @extend_schema(operation_id="trade_life", responses=shapes.TradeLife)
    def get(self, request: Request, key: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json(read_life(trade_for_user(request.user, key)))


class TradePayoffView(APIView):
    """A trade's payoff before costs: at expiry as opened and as it is open, and today."""

    @extend_schema(operation_id="trade_payoff", responses=shapes.TradePayoff)
    def get(self, request: Request, key: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return private_json(read_payoff(trade_for_user(request.user, key)))
