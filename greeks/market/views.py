"""Pages of the market."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from greeks.market.head import picker_fields
from greeks.market.page import MarketPage


@cache_control(private=True, no_cache=True)
@require_safe
def market(request: HttpRequest) -> HttpResponse:
    """Vega Market Edge: complete without JavaScript; the page's script then keeps it live.

    Public unless ``MARKET_DATA_PUBLIC`` says otherwise, like its data.
    """
    if not settings.MARKET_DATA_PUBLIC and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    page = MarketPage(request)
    pickers = picker_fields(page) if page.instrument else ()
    return render(request, "market/page.html", {"page": page, "pickers": pickers})
