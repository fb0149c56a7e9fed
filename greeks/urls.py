"""URLs of the market page and its data."""

from django.urls import path

from greeks.alerts import api as alert_apis
from greeks.alerts import views as alert_views
from greeks.gex import api as gex_apis
from greeks.gex import views as gex_views
from greeks.market import api as market_apis
from greeks.market import views as market_views

urlpatterns = [
    path("market", market_views.market, name="market"),
    path("market/alerts", alert_views.alerts, name="market_alerts"),
    path("market/alerts/rules", alert_views.save_rule, name="market_alert_rules"),
    path("market/alerts/rules/<int:rule_id>", alert_views.save_rule, name="market_alert_rule"),
    path(
        "market/alerts/rules/<int:rule_id>/switch",
        alert_views.switch_rule,
        name="market_alert_rule_switch",
    ),
    path(
        "market/alerts/rules/<int:rule_id>/deletion",
        alert_views.remove_rule,
        name="market_alert_rule_deletion",
    ),
    path("market/alerts/read", alert_views.mark_events_read, name="market_alerts_read"),
    path("market/alerts/channels", alert_views.save_channel, name="market_alert_channels"),
    path(
        "market/alerts/channels/<int:channel_id>/deletion",
        alert_views.remove_channel,
        name="market_alert_channel_deletion",
    ),
    path(
        "market/alerts/channels/<int:channel_id>/test",
        alert_views.send_test_message,
        name="market_alert_channel_test",
    ),
    path("api/market/alerts", alert_apis.AlertRulesView.as_view(), name="api_alert_rules"),
    path(
        "api/market/alerts/<int:rule_id>",
        alert_apis.AlertRuleView.as_view(),
        name="api_alert_rule",
    ),
    path(
        "api/market/alerts/metrics",
        alert_apis.AlertMetricsView.as_view(),
        name="api_alert_metrics",
    ),
    path(
        "api/market/alerts/events",
        alert_apis.AlertEventsView.as_view(),
        name="api_alert_events",
    ),
    path(
        "api/market/alerts/events/read",
        alert_apis.AlertEventsReadView.as_view(),
        name="api_alert_events_read",
    ),
    path(
        "api/market/alerts/channels",
        alert_apis.AlertChannelsView.as_view(),
        name="api_alert_channels",
    ),
    path(
        "api/market/alerts/channels/<int:channel_id>",
        alert_apis.AlertChannelView.as_view(),
        name="api_alert_channel",
    ),
    path(
        "api/market/alerts/channels/<int:channel_id>/test",
        alert_apis.AlertChannelTestView.as_view(),
        name="api_alert_channel_test",
    ),
    path("market/data", market_apis.MarketDataView.as_view(), name="market_data"),
    path("api/market/chain", market_apis.MarketChainView.as_view(), name="api_market_chain"),
    path(
        "api/market/instruments",
        market_apis.MarketInstrumentsView.as_view(),
        name="api_market_instruments",
    ),
    path("api/market/gex", gex_apis.MarketGexView.as_view(), name="api_market_gex"),
    path("gex", gex_views.gex, name="gex"),
    path("api/gex", gex_apis.GexView.as_view(), name="api_gex"),
    path("api/gex/history", gex_apis.GexHistoryView.as_view(), name="api_gex_history"),
    path("api/gex/refresh", gex_apis.GexRefreshView.as_view(), name="api_gex_refresh"),
]
