"""All URLs of the desk."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from config.core.api import openapi  # noqa: F401 - tells drf-spectacular of shapes
from config.core.api.document import api_docs, api_operation
from config.core.health import health_view
from config.core.monitoring.scraping import metrics_view
from config.system import views as system_views
from config.system.api import CacheClearView, MonitoringView
from config.system.styleguide import styleguide

urlpatterns = [
    path("", include("portfolio.urls")),
    path("", include("portfolio.dashboard.urls")),
    path("", include("greeks.urls")),
    path("", include("trades.urls")),
    path("accounts/", include("auth_tokens.urls")),
    path("system", system_views.system, name="system"),
    path(
        "system/tokens/<slug:provider>/reset",
        system_views.reset_token,
        name="system_token_reset",
    ),
    path("system/styleguide", styleguide, name="styleguide"),
    path("api/cache/clear", CacheClearView.as_view(), name="cache_clear"),
    path("api/monitoring", MonitoringView.as_view(), name="monitoring"),
    path("health", health_view, name="health"),
    path("metrics", metrics_view, name="metrics"),
    path("api/schema", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/docs", api_docs, name="api_docs"),
    path("api/docs/<str:name>", api_operation, name="api_operation"),
    path("admin/", admin.site.urls),
]

handler400 = "config.core.api.error_handler.handler400"
handler403 = "config.core.api.error_handler.handler403"
handler404 = "config.core.api.error_handler.handler404"
handler500 = "config.core.api.error_handler.handler500"
