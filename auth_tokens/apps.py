from __future__ import annotations

from django.apps import AppConfig

from auth_tokens.broker_tokens.sources import register_token_provider


class AuthTokensConfig(AppConfig):
    name = "auth_tokens"
    verbose_name = "Access and tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from auth_tokens import receivers, tasks  # noqa: F401
        from auth_tokens.api_tokens import schema  # noqa: F401
        from auth_tokens.broker_tokens import states  # noqa: F401

        register_token_provider(
            "upstox", "auth_tokens.broker_log_ins.upstox_source.UpstoxTokenSource"
        )
