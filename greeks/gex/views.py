"""The page of gamma exposure."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from greeks.gex.page import GexPage


@cache_control(private=True, no_cache=True)
@require_safe
def gex(request: HttpRequest) -> HttpResponse:
    """Gamma exposure by strike and expiry: the last known, then live by the page's script.

    Public unless ``MARKET_DATA_PUBLIC`` says otherwise, like its data.
    """
    if not settings.MARKET_DATA_PUBLIC and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return render(request, "gex/page.html", {"page": GexPage(request)})
