"""Addresses of the market: its data and its page."""

from django.urls import path

from greeks.apis import market as market_apis
from greeks.views import market as market_views

urlpatterns = [
    path("market", market_views.market, name="market"),
    path("market/data", market_apis.MarketDataView.as_view(), name="market_data"),
    path("api/market/chain", market_apis.MarketChainView.as_view(), name="api_market_chain"),
    path(
        "api/market/instruments",
        market_apis.MarketInstrumentsView.as_view(),
        name="api_market_instruments",
    ),
]
