from __future__ import annotations

from django.apps import AppConfig

from auth_tokens.token_sources import register_token_provider
from config.core.front_door.grants import register_authoriser


class AuthTokensConfig(AppConfig):
    name = "auth_tokens"
    verbose_name = "Access and tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from auth_tokens import health, receivers, schema, tasks  # noqa: F401

        register_authoriser("auth_tokens.door.authorise")
        register_token_provider("upstox", "auth_tokens.login_flows.upstox_source.UpstoxTokenSource")
