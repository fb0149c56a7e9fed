"""URLs of the journal."""

from django.urls import path

from trades.contexts.api import PortfolioStateView
from trades.journal import api, views
from trades.life.api import TradeLifeView, TradePayoffView
from trades.reviewing import annotation_api
from trades.reviewing import api as reviewing_api
from trades.reviewing import views as reviewing_views
from trades.statistics import page
from trades.statistics.api import StatisticsView
from trades.trade_signals import views as signal_views
from trades.trade_signals.api import SignalsView
from trades.trade_signals.exits import views as exit_views

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
    path("trades/signals", signal_views.signals, name="trade_signals"),
    path("trades/signals/enter", signal_views.enter, name="trade_signal_enter"),
    path("trades/signals/sources", signal_views.sources, name="trade_signal_sources"),
    path("trades/signals/rules", exit_views.rules, name="exit_rules"),
    path("trades/signals/rules/change", exit_views.change_rules, name="exit_rules_change"),
    path("trades/signals/<int:signal_id>", signal_views.signal, name="trade_signal"),
    path(
        "trades/signals/<int:signal_id>/change",
        signal_views.change_signal,
        name="trade_signal_change",
    ),
    path("api/signals", SignalsView.as_view(), name="api_signals"),
    path("trades/import", views.import_page, name="trades_import"),
    path("trades/import/<uuid:upload_id>", views.take_import, name="trades_import_take"),
    path("api/trades", reviewing_api.TradesView.as_view(), name="api_trades"),
    path("api/trades/<int:key>", reviewing_api.TradeView.as_view(), name="api_trade"),
    path("api/trades/<int:key>/life", TradeLifeView.as_view(), name="api_trade_life"),
    path("api/trades/<int:key>/payoff", TradePayoffView.as_view(), name="api_trade_payoff"),
    path("api/trades/<int:key>/notes", annotation_api.TradeNotesView.as_view(), name="api_notes"),
    path(
        "api/trades/<int:key>/notes/<int:note_id>",
        annotation_api.TradeNoteView.as_view(),
        name="api_note",
    ),
    path(
        "api/trades/<int:key>/review", annotation_api.TradeReviewView.as_view(), name="api_review"
    ),
    path("api/trades/newest", reviewing_api.NewestFillsView.as_view(), name="api_trades_newest"),
    path("api/executions", api.ExecutionsView.as_view(), name="api_executions"),
    path("trades/statistics", page.statistics, name="trades_statistics"),
    path("trades/statistics/gains.csv", page.realised_gains, name="trades_realised_gains"),
    path("api/portfolio/state", PortfolioStateView.as_view(), name="api_portfolio_state"),
    path("api/trades/statistics", StatisticsView.as_view(), name="api_trade_statistics"),
]
