"""``GET /api/portfolio/state``: parse, authorise, call one function, answer."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import QueryParameters
from config.core.clock import market_now
from config.core.errors import invalid
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.accounts.answers import ACCOUNT_ID, private_json
from trades.contexts import shapes
from trades.contexts.state import portfolio_state


class PortfolioStateView(APIView):
    """Positions, Greeks and totals as they were at a moment; what is not known is null."""

    @extend_schema(
        operation_id="portfolio_state",
        parameters=[
            ACCOUNT_ID,
            OpenApiParameter(
                "at",
                OpenApiTypes.DATETIME,
                required=True,
                description="With its offset, not in the future.",
            ),
        ],
        responses=shapes.PortfolioState,
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed={"account_id", "at"})
        at = _moment(parameters.text("at"))
        account_id = parameters.identifier("account_id")
        if account_id:
            accounts = [account_for_user(request.user, account_id)]
        else:
            accounts = list(accounts_visible_to(request.user).select_related("status"))
        return private_json(portfolio_state(accounts, at))


def _moment(text: str | None) -> datetime:
    """Parse the moment. A plus sign of an address that was not escaped arrives as a blank."""
    if text is None:
        raise invalid("at", "Needed: a time like 2026-11-20T15:30:00Z.")
    head, blank, tail = text.rpartition(" ")
    for form in (text, f"{head}+{tail}" if blank else text):
        try:
            at = datetime.fromisoformat(form)
        except ValueError:
            continue
        if at.tzinfo is None:
            continue
        try:
            at = at.astimezone(UTC)
        except OverflowError:
            break
        if at > market_now():
            raise invalid("at", "In the future.")
        if at.year < 1970:
            raise invalid("at", "Before 1970.")
        return at
    raise invalid("at", "Expected a time with its offset, like 2026-11-20T15:30:00Z.")
