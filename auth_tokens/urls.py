"""URLs under ``/accounts/``."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from auth_tokens.account_pages import views

urlpatterns = [
    path("login", views.LogIn.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("password", views.PasswordChange.as_view(), name="password_change"),
    path("time-zone", views.time_zone, name="time_zone"),
    path("tokens", views.api_tokens, name="api_tokens"),
    path(
        "tokens/<int:token_id>/revoke",
        views.api_token_revocation,
        name="api_token_revocation",
    ),
]
