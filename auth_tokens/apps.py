from __future__ import annotations

from django.apps import AppConfig

from config.core.front_door.grants import register_authoriser


class AuthTokensConfig(AppConfig):
    name = "auth_tokens"
    verbose_name = "Access and tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from auth_tokens import receivers, schema  # noqa: F401

        register_authoriser("auth_tokens.door.authorise")
