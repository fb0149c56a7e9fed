"""Production: everything secret comes from the environment, and nothing starts on a default."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from config.core.logging import logging_config
from config.settings.base import *  # noqa: F403
from config.settings.base import (
    ALLOWED_HOSTS,
    CSRF_TRUSTED_ORIGINS,
    DATABASE_URL,
    LOG_LEVEL,
    SECRET_KEY,
    env,
)

_WEAK = ("change", "secret", "default", "example", "insecure", "password")


def _require(name: str, value: object) -> None:
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production (see .env.example).")


for _name, _value in (
    ("SECRET_KEY", SECRET_KEY),
    ("ALLOWED_HOSTS", ALLOWED_HOSTS),
    ("CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS),
    ("DATABASE_URL", DATABASE_URL),
    ("REDIS_URL", env.str("REDIS_URL", default="")),
    ("CACHE_URL", env.str("CACHE_URL", default="")),
):
    _require(_name, _value)
if len(SECRET_KEY) < 50 or any(word in SECRET_KEY.lower() for word in _WEAK):
    raise ImproperlyConfigured(
        "SECRET_KEY is a default or too short: use at least 50 random characters."
    )
_database_password = env.db_url_config(DATABASE_URL).get("PASSWORD") or ""
if any(word in str(_database_password).lower() for word in _WEAK):
    raise ImproperlyConfigured("The password in DATABASE_URL is a default.")
if env.bool("DEMO", default=False):
    raise ImproperlyConfigured("DEMO mode has a known log-in and never runs in production.")

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^health$"]
SECURE_HSTS_SECONDS = 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
LOGGING = logging_config(json=True, level=LOG_LEVEL)
