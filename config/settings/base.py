"""Settings for every environment. Deployment variables are listed in .env.example.

Django's settings are here; data, queue, desk and security have their own modules.
"""

from __future__ import annotations

from pathlib import Path

from config.core.logging import logging_config
from config.settings.background import *  # noqa: F403
from config.settings.data import *  # noqa: F403
from config.settings.desk import *  # noqa: F403
from config.settings.environment import BASE_DIR, VAR_DIR, env
from config.settings.security import *  # noqa: F403
from config.settings.updates import *  # noqa: F403

# --- Django -----------------------------------------------------------------------------------
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
# Fernet keys for the brokers' tokens: the first encrypts, all decrypt. Independent of SECRET_KEY.
TOKEN_ENCRYPTION_KEYS: list[str] = env.list("TOKEN_ENCRYPTION_KEYS", default=[])
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Exact scheme and host: websockets from any other origin are refused.
WEBSOCKET_ORIGINS: list[str] = env.list("WEBSOCKET_ORIGINS", default=CSRF_TRUSTED_ORIGINS)
# Trusted proxies (addresses or networks) whose X-Forwarded-For and -Proto are believed.
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])

INSTALLED_APPS = [
    "auth_tokens",
    "greeks",
    "portfolio",
    "trades",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "config.core.web.static_app.DeskStaticFilesConfig",
    "config.core.monitoring.app.MonitoringConfig",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_celery_beat",
    "django_filters",
    "simple_history",
    "django_structlog",
    "axes",
    "csp",
]
MIDDLEWARE = [
    "config.core.web.forwarded.ForwardedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pads with random bytes against BREACH (docs/decisions/0030).
    "django.middleware.gzip.GZipMiddleware",
    "config.core.web.middleware.RequestIdMiddleware",
    "config.core.monitoring.middleware.ResponseMonitor",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "auth_tokens.sessions.middleware.ActorMiddleware",
    "auth_tokens.sessions.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.core.api.error_handler.ApplicationErrorMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.core.web.context.desk",
            ],
            "libraries": {name: f"config.core.templatetags.{name}" for name in ("desk", "modules")},
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
        },
    }
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Bytes of a request's body; more get 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# What may be larger, by path: a year's statement of a busy account has several megabytes.
LARGE_BODIES = {"/trades/import": 25 * 1024 * 1024}
# Threads that run pages and API in one web process.
WEB_THREADS = env.int("WEB_THREADS", default=4)

# --- People -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "auth_tokens.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# One: a name whose password is stored in another way would answer in another time than no name.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Says whose the credential of a request at the front door is.
FRONT_DOOR_AUTHORISER = "auth_tokens.sessions.front_door.authorise"
LOGIN_URL = "/accounts/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login"
# Staff without one set it up at their next log-in.
STAFF_NEEDS_SECOND_FACTOR = env.bool("STAFF_NEEDS_SECOND_FACTOR", default=False)
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=5)
AXES_HANDLER = "auth_tokens.log_in.forgetting.LockOuts"
AXES_COOLOFF_TIME = "auth_tokens.log_in.limits.cool_off"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# Tries during a lock-out neither prolong it nor are kept.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
# The audit trail has them.
AXES_DISABLE_ACCESS_LOG = True
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_HTTP_RESPONSE_CODE = 429
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "auth_tokens.log_in.limits.network_of"
DEVICE_COOKIE_NAME = "greekdesk_device"

# --- HTTP API ---------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First, so refused callers get 401 with the scheme to use.
        "auth_tokens.api_tokens.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "auth_tokens.api_tokens.permissions.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.core.api.parsers.DeskJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.core.api.error_handler.handle_exception",
    "COERCE_DECIMAL_TO_STRING": False,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Greekdesk",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.core.api.openapi.describe_failures",
    ],
    # Several bodies have a status; each set of them gets a name of its own.
    "ENUM_NAME_OVERRIDES": {"HealthStatusEnum": ["ok", "degraded", "down"]},
}

# --- Logs and metrics -------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = logging_config(json=env.bool("LOG_JSON", default=False), level=LOG_LEVEL)
# Pass the task id and the originating request id with each task; suppress its own log lines.
DJANGO_STRUCTLOG_CELERY_ENABLED = True
# Bearer token that may read /metrics, besides staff and this machine.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Where a `manage.py up` without web processes serves its metrics; 0: nowhere.
METRICS_HOST = env.str("METRICS_HOST", default="0.0.0.0")  # noqa: S104
METRICS_PORT = env.int("METRICS_PORT", default=0)
# What is counted goes to Prometheus and Redis so often, from a thread; 0: only when asked.
MONITORING_SECONDS = 1.0
# A query that takes longer is logged with its plan.
SLOW_QUERY_MILLISECONDS = env.int("SLOW_QUERY_MILLISECONDS", default=500)

# --- Static files -----------------------------------------------------------------------------
STATIC_URL = "/static/"
# Collected before, as in the image: then no process writes there.
STATIC_IS_COLLECTED = bool(env.str("STATIC_ROOT", default=""))
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or VAR_DIR / "static")
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("vendor/uplot", BASE_DIR / "node_modules" / "uplot" / "dist"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.core.web.staticfiles.DeskStaticFilesStorage"},
}
# Collected files lie in the data folder, which is this user's alone.
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
# Hashed names never change and are cached forever; plain names are revalidated after a minute.
WHITENOISE_MAX_AGE = 60
