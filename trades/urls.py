"""URLs of the journal."""

from django.urls import path

from trades.contexts.api import PortfolioStateView
from trades.journal import api, views

urlpatterns = [
    path("trades", views.trades, name="trades"),
    path("trades/executions", views.executions, name="trades_executions"),
    path("trades/reconcile", views.reconcile, name="trades_reconcile"),
    path("trades/import", views.import_page, name="trades_import"),
    path("trades/import/<uuid:upload_id>", views.take_import, name="trades_import_take"),
    path("api/executions", api.ExecutionsView.as_view(), name="api_executions"),
    path("api/portfolio/state", PortfolioStateView.as_view(), name="api_portfolio_state"),
]
