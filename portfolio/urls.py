"""URLs of the portfolio: its page and its API."""

from django.urls import URLPattern, URLResolver, include, path

from portfolio.risk import api as risk
from portfolio.risk import views as risk_views
from portfolio.risk_monitor import api as book
from portfolio.risk_monitor import views as risk_monitor_views
from portfolio.updates import api as updates
from portfolio.updates import views as update_views

_PORTFOLIO = [
    path("notices", updates.PortfolioNoticesView.as_view(), name="api_portfolio_notices"),
    path("days", updates.PortfolioDaysView.as_view(), name="api_portfolio_days"),
    path("refresh", updates.PortfolioRefreshView.as_view(), name="api_portfolio_refresh"),
]
_API: list[URLPattern | URLResolver] = [
    path("risk-monitor/fast", book.RiskMonitorFastView.as_view(), name="api_risk_monitor_fast"),
    path("accounts", book.AccountsView.as_view(), name="api_accounts"),
    path("positions", book.PositionsView.as_view(), name="api_positions"),
    path("orders", book.OrdersView.as_view(), name="api_orders"),
    path("history", book.HistoryView.as_view(), name="api_history"),
    path("sync", book.SyncView.as_view(), name="api_sync"),
    path("sync/<uuid:run_id>", book.SyncRunView.as_view(), name="api_sync_run"),
    path("live", updates.LiveFrequencyView.as_view(), name="api_portfolio_live"),
    path("queue", updates.QueueView.as_view(), name="api_portfolio_queue"),
    path("portfolios", updates.PortfoliosView.as_view(), name="api_portfolios"),
    path("portfolios/<int:portfolio_id>", updates.PortfolioView.as_view(), name="api_portfolio"),
    path("portfolios/<int:portfolio_id>/", include(_PORTFOLIO)),
    path("risk", risk.RiskView.as_view(), name="api_risk"),
    path("scenarios", risk.ScenarioGridView.as_view(), name="api_scenarios"),
    path("scenarios/saved", risk.SavedScenariosView.as_view(), name="api_saved_scenarios"),
    path(
        "scenarios/saved/<int:scenario_id>",
        risk.SavedScenarioView.as_view(),
        name="api_saved_scenario",
    ),
    path("what-if", risk.WhatIfView.as_view(), name="api_what_if"),
]
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
    path("api/portfolio/", include(_API)),
]
