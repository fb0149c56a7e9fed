"""Production: secrets come from the environment, and defaults are refused."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from config.core.logging import logging_config
from config.settings import refusals as _refusals
from config.settings.base import *  # noqa: F403
from config.settings.base import (
    ALLOWED_HOSTS,
    CSRF_TRUSTED_ORIGINS,
    DATABASE_URL,
    DATABASES,
    DEMO,
    LOG_LEVEL,
    SECRET_KEY,
    TOKEN_ENCRYPTION_KEYS,
    WEBSOCKET_ORIGINS,
)
from config.settings.environment import env

_refusals.require(
    {
        "SECRET_KEY": SECRET_KEY,
        "TOKEN_ENCRYPTION_KEYS": TOKEN_ENCRYPTION_KEYS,
        "ALLOWED_HOSTS": ALLOWED_HOSTS,
        "CSRF_TRUSTED_ORIGINS": CSRF_TRUSTED_ORIGINS,
        "DATABASE_URL": DATABASE_URL,
        "REDIS_URL": env.str("REDIS_URL", default=""),
        "CACHE_URL": env.str("CACHE_URL", default=""),
    }
)
_refusals.refuse_weak_key(SECRET_KEY)
_refusals.refuse_bad_encryption_keys(TOKEN_ENCRYPTION_KEYS)
_refusals.refuse_open_hosts(ALLOWED_HOSTS)
_refusals.refuse_plain_origins("CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS)
_refusals.refuse_plain_origins("WEBSOCKET_ORIGINS", WEBSOCKET_ORIGINS)
_refusals.refuse_weak_database(DATABASES["default"])
if DEMO:
    raise ImproperlyConfigured("DEMO mode has a known log-in and never runs in production.")

# Whether a request came over TLS: the server believes X-Forwarded-Proto of TRUSTED_PROXIES only.
SECURE_PROXY_SSL_HEADER = None
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^health$"]
SECURE_HSTS_SECONDS = 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
DEVICE_COOKIE_NAME = "__Host-device"
STAFF_NEEDS_SECOND_FACTOR = env.bool("STAFF_NEEDS_SECOND_FACTOR", default=True)
LOGGING = logging_config(json=True, level=LOG_LEVEL)
