"""URLs of the portfolio: its page and its API."""

from django.urls import path

from portfolio.risk import api as risk_apis
from portfolio.risk import views as risk_views
from portfolio.risk_monitor import api as book_apis
from portfolio.risk_monitor import views as risk_monitor_views
from portfolio.updates import api as update_apis
from portfolio.updates import views as update_views

urlpatterns = [
    path("", risk_monitor_views.risk_monitor, name="risk_monitor"),
    path("risk", risk_views.risk, name="risk"),
    path("risk/what-if", risk_views.what_if, name="risk_what_if"),
    path("risk/scenarios", risk_views.save_scenario, name="risk_scenarios"),
    path("risk/scenarios/<int:scenario_id>", risk_views.save_scenario, name="risk_scenario"),
    path(
        "risk/scenarios/<int:scenario_id>/deletion",
        risk_views.remove_scenario,
        name="risk_scenario_deletion",
    ),
    path("portfolios", update_views.portfolios, name="portfolios"),
    path("portfolios/live", update_views.live, name="portfolio_live"),
    path("portfolios/<int:portfolio_id>", update_views.portfolio, name="portfolio"),
    path("portfolios/<int:portfolio_id>/refresh", update_views.refresh, name="portfolio_refresh"),
    path("portfolios/<int:portfolio_id>/notices", update_views.notices, name="portfolio_notices"),
    path("portfolios/<int:portfolio_id>/deletion", update_views.remove, name="portfolio_deletion"),
    path("sync", risk_monitor_views.sync_now, name="sync_now"),
    path(
        "api/portfolio/risk-monitor/fast",
        book_apis.RiskMonitorFastView.as_view(),
        name="api_risk_monitor_fast",
    ),
    path("api/portfolio/accounts", book_apis.AccountsView.as_view(), name="api_accounts"),
    path("api/portfolio/positions", book_apis.PositionsView.as_view(), name="api_positions"),
    path("api/portfolio/orders", book_apis.OrdersView.as_view(), name="api_orders"),
    path("api/portfolio/history", book_apis.HistoryView.as_view(), name="api_history"),
    path("api/portfolio/sync", book_apis.SyncView.as_view(), name="api_sync"),
    path("api/portfolio/sync/<uuid:run_id>", book_apis.SyncRunView.as_view(), name="api_sync_run"),
    path("api/portfolio/live", update_apis.LiveFrequencyView.as_view(), name="api_portfolio_live"),
    path("api/portfolio/portfolios", update_apis.PortfoliosView.as_view(), name="api_portfolios"),
    path(
        "api/portfolio/portfolios/<int:portfolio_id>",
        update_apis.PortfolioView.as_view(),
        name="api_portfolio",
    ),
    path(
        "api/portfolio/portfolios/<int:portfolio_id>/notices",
        update_apis.PortfolioNoticesView.as_view(),
        name="api_portfolio_notices",
    ),
    path(
        "api/portfolio/portfolios/<int:portfolio_id>/days",
        update_apis.PortfolioDaysView.as_view(),
        name="api_portfolio_days",
    ),
    path(
        "api/portfolio/portfolios/<int:portfolio_id>/refresh",
        update_apis.PortfolioRefreshView.as_view(),
        name="api_portfolio_refresh",
    ),
    path("api/portfolio/queue", update_apis.QueueView.as_view(), name="api_portfolio_queue"),
    path("api/portfolio/risk", risk_apis.RiskView.as_view(), name="api_risk"),
    path("api/portfolio/scenarios", risk_apis.ScenarioGridView.as_view(), name="api_scenarios"),
    path(
        "api/portfolio/scenarios/saved",
        risk_apis.SavedScenariosView.as_view(),
        name="api_saved_scenarios",
    ),
    path(
        "api/portfolio/scenarios/saved/<int:scenario_id>",
        risk_apis.SavedScenarioView.as_view(),
        name="api_saved_scenario",
    ),
    path("api/portfolio/what-if", risk_apis.WhatIfView.as_view(), name="api_what_if"),
]
