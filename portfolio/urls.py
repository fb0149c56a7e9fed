"""Addresses of the portfolio: its page and its API."""

from django.urls import path

from portfolio import apis, risk_views, views

urlpatterns = [
    path("", views.risk_monitor, name="risk_monitor"),
    path("risk", risk_views.risk, name="risk"),
    path("sync", views.sync_now, name="sync_now"),
    path(
        "api/portfolio/risk-monitor/fast",
        apis.RiskMonitorFastView.as_view(),
        name="api_risk_monitor_fast",
    ),
    path("api/portfolio/accounts", apis.AccountsView.as_view(), name="api_accounts"),
    path("api/portfolio/positions", apis.PositionsView.as_view(), name="api_positions"),
    path("api/portfolio/orders", apis.OrdersView.as_view(), name="api_orders"),
    path("api/portfolio/history", apis.HistoryView.as_view(), name="api_history"),
    path("api/portfolio/sync", apis.SyncView.as_view(), name="api_sync"),
    path("api/portfolio/sync/<uuid:run_id>", apis.SyncRunView.as_view(), name="api_sync_run"),
]
