"""URLs of the journal."""

from django.urls import path

from trades.contexts.api import PortfolioStateView
from trades.journal import api, views
from trades.reviewing import api as reviewing_api
from trades.reviewing import views as reviewing_views
from trades.statistics import page
from trades.statistics.api import StatisticsView

urlpatterns = [
    path("trades", reviewing_views.trades, name="trades"),
    path("trades/change", reviewing_views.change_trades, name="trades_change"),
    path("trades/<int:key>", reviewing_views.trade, name="trade"),
    path("trades/<int:key>/change", reviewing_views.change_trade, name="trade_change"),
    path(
        "trades/position/<int:position_id>",
        reviewing_views.trade_with_position,
        name="trade_with_position",
    ),
    path("trades/contracts", views.contracts, name="trades_contracts"),
    path("trades/lot-method", views.choose_lot_method, name="trades_lot_method"),
    path("trades/executions", views.executions, name="trades_executions"),
    path("trades/reconcile", views.reconcile, name="trades_reconcile"),
    path("trades/import", views.import_page, name="trades_import"),
    path("trades/import/<uuid:upload_id>", views.take_import, name="trades_import_take"),
    path("api/trades", reviewing_api.TradesView.as_view(), name="api_trades"),
    path("api/trades/<int:key>", reviewing_api.TradeView.as_view(), name="api_trade"),
    path("api/trades/newest", reviewing_api.NewestFillsView.as_view(), name="api_trades_newest"),
    path("api/executions", api.ExecutionsView.as_view(), name="api_executions"),
    path("trades/statistics", page.statistics, name="trades_statistics"),
    path("trades/statistics/gains.csv", page.realised_gains, name="trades_realised_gains"),
    path("api/portfolio/state", PortfolioStateView.as_view(), name="api_portfolio_state"),
    path("api/trades/statistics", StatisticsView.as_view(), name="api_trade_statistics"),
]
