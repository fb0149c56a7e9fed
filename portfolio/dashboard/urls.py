"""Addresses of the dashboard and of the declared resources, made of the declarations."""

from __future__ import annotations

from django.urls import path

from config.core.caching.resources import declared_resources
from portfolio.dashboard.api import dashboard_view, resource_view
from portfolio.dashboard.views import dashboard

urlpatterns = [
    path("dashboard", dashboard, name="dashboard"),
    path("api/dashboard", dashboard_view(), name="api_dashboard"),
    *(
        path(
            each.path.removeprefix("/"),
            resource_view(each),
            name=f"api_{each.name.replace(':', '_')}",
        )
        for each in declared_resources()
        if not each.has_own_view
    ),
]
