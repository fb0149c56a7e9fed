"""URLs under ``/accounts/``."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from auth_tokens.account_pages import views
from auth_tokens.second_factor import views as second_factor

urlpatterns = [
    path("login", views.LogIn.as_view(), name="login"),
    path("login/code", second_factor.log_in_code, name="log_in_code"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("password", views.PasswordChange.as_view(), name="password_change"),
    path("second-factor", second_factor.second_factor, name="second_factor"),
    path("second-factor/set-up", second_factor.set_up, name="second_factor_set_up"),
    path("time-zone", views.time_zone, name="time_zone"),
    path("tokens", views.api_tokens, name="api_tokens"),
    path(
        "tokens/<int:token_id>/revoke",
        views.api_token_revocation,
        name="api_token_revocation",
    ),
]
