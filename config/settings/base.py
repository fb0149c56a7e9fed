"""Settings of every environment. Each value a deployment may change is in .env.example."""

from __future__ import annotations

from pathlib import Path

import environ
from csp.constants import NONE, SELF

from config.core.logging import logging_config
from config.core.process_role import database_options
from config.schedule import beat_schedule

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).expanduser().absolute()

# --- Django -----------------------------------------------------------------------------------
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Scheme and host, exactly: websockets from any other origin are refused.
WEBSOCKET_ORIGINS: list[str] = env.list("WEBSOCKET_ORIGINS", default=CSRF_TRUSTED_ORIGINS)
# Addresses or networks of the proxies in front whose X-Forwarded-For and -Proto are believed.
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])

INSTALLED_APPS = [
    "auth_tokens",
    "greeks",
    "portfolio",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "config.core.static_app.DeskStaticFilesConfig",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_structlog",
    "axes",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.core.middleware.RequestIdMiddleware",
    "config.core.monitoring.RequestTimingMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "auth_tokens.middleware.ActorMiddleware",
    "auth_tokens.middleware.TimeZoneMiddleware",
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
                "config.core.context.desk",
            ],
            "libraries": {"desk": "config.core.templatetags.desk"},
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

# --- People -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "auth_tokens.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/accounts/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login"
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=5)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_HTTP_RESPONSE_CODE = 429
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "config.core.middleware.client_address"

# --- Database, cache, queue -------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="")
# The web process gives up on a locked database at once; jobs wait (config/core/process_role.py).
PROCESS_ROLE = env.str("PROCESS_ROLE", default="job")
if DATABASE_URL:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    if DATABASES["default"]["ENGINE"].endswith("postgresql"):
        DATABASES["default"] |= {
            "CONN_MAX_AGE": 0,
            "CONN_HEALTH_CHECKS": True,
            # What the URL says, sslmode for example, stays.
            "OPTIONS": DATABASES["default"].get("OPTIONS", {})
            | {
                "pool": {
                    "min_size": 1,
                    "max_size": env.int("DATABASE_POOL_SIZE", default=12),
                    "timeout": 5,
                },
                **database_options("postgresql", PROCESS_ROLE),
            },
        }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR_DIR / "greekdesk.sqlite3",
        }
    }
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            **database_options("sqlite3", PROCESS_ROLE),
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            " PRAGMA foreign_keys=ON; PRAGMA cache_size=-16000;",
        },
    }


def embedded_redis_url() -> str:
    """The address of the embedded Valkey, written by the supervisor; empty when it never ran."""
    try:
        return (VAR_DIR / "redis_url").read_text().strip()
    except OSError:
        return ""


REDIS_URL = env.str("REDIS_URL", default="") or embedded_redis_url() or "redis://127.0.0.1:6379/0"
CACHE_URL = env.str("CACHE_URL", default="") or REDIS_URL
REDIS_SOCKET_TIMEOUT = 0.3
REDIS_MAX_CONNECTIONS = 200
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "greekdesk",
        "TIMEOUT": 300,
        "OPTIONS": {
            # A dead Redis makes pages slower, not broken.
            "IGNORE_EXCEPTIONS": True,
            # One failed command is enough for a second: a hanging Redis is not asked each time.
            "REDIS_CLIENT_CLASS": "config.core.redis_client.GuardedRedis",
            "CONNECTION_POOL_CLASS": "config.core.redis_client.GuardedPool",
            "SOCKET_TIMEOUT": REDIS_SOCKET_TIMEOUT,
            "SOCKET_CONNECT_TIMEOUT": REDIS_SOCKET_TIMEOUT,
            "CONNECTION_POOL_KWARGS": {"max_connections": REDIS_MAX_CONNECTIONS},
        },
    }
}
# The guard and /health tell; a log line for each unanswered read would fill the disk.
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = False
SESSION_ENGINE = "auth_tokens.session_store"

# Threads that run Django's pages and API in one web process.
WEB_THREADS = env.int("WEB_THREADS", default=4)

# --- Celery -----------------------------------------------------------------------------------
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("WORKER_THREADS", default=4)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Work lost with a killed worker comes back after a minute.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "global_keyprefix": "greekdesk:celery:",
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# Every run is written down at once: kill -9 repeats no slot.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_BEAT_CRON_STARTING_DEADLINE = 600
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- The desk ---------------------------------------------------------------------------------
# False: every read fetches from the brokers first (document 001 §5); background sync is off.
USE_PERSISTENT_CACHE = env.bool("USE_PERSISTENT_CACHE", default=True)
# Default seconds between two syncs of an account, under the documents' name.
BRIDGE_POLL_INTERVAL = env.int("BRIDGE_POLL_INTERVAL", default=30)
# A book older than this is stale: the page says so and asks for a background sync.
STALE_AFTER_SECONDS = env.int("STALE_AFTER_SECONDS", default=60)
# A risk-monitor read refreshes Greeks in the background, never sooner than this after the last.
GREEKS_MINIMUM_AGE_SECONDS = env.int(
    "GREEKS_MINIMUM_AGE_SECONDS", default=env.int("PORTFOLIO_REFRESH_SECONDS", default=30)
)
# Greeks refreshes that all processes together may start in a minute.
GREEKS_CALLS_PER_MINUTE = env.int("GREEKS_CALLS_PER_MINUTE", default=30)
# Annual, continuously compounded: the model's discount rate where nothing better is known.
RISK_FREE_RATE = env.float("RISK_FREE_RATE", default=0.04)
# Frozen market time (ISO 8601) when the sandbox serves a recorded chain; empty: the real clock.
MARKET_CLOCK = env.str("MARKET_CLOCK", default="")
DEMO = env.bool("DEMO", default=False)
BEAT_SCHEDULE = beat_schedule(sync_seconds=BRIDGE_POLL_INTERVAL, enabled=USE_PERSISTENT_CACHE)

# --- Providers --------------------------------------------------------------------------------
PROVIDER_TIMEOUT_SECONDS = env.float("PROVIDER_TIMEOUT_SECONDS", default=5.0)
IBKR_PORTAL_URL = env.str("IBKR_PORTAL_URL", default="https://localhost:5000/v1/api")
# The gateway's certificate is self-signed: name its file, or accept any on loopback.
IBKR_PORTAL_CA_FILE = env.str("IBKR_PORTAL_CA_FILE", default="")
# The vendor allows ten calls a second in all: two fewer, since their arrival jitters. 0: no limit.
IBKR_PORTAL_CALLS_PER_SECOND = env.int("IBKR_PORTAL_CALLS_PER_SECOND", default=8)
# Accounts, orders and trades: each once in five seconds, and a margin. 0: no limit.
IBKR_PORTAL_ENDPOINT_SECONDS = env.float("IBKR_PORTAL_ENDPOINT_SECONDS", default=6.0)
# A call too many is answered 429 and refused for about this long, without a Retry-After.
IBKR_PORTAL_PENALTY_SECONDS = env.float("IBKR_PORTAL_PENALTY_SECONDS", default=900.0)
# How long a snapshot is asked for until its prices and Greeks have arrived.
IBKR_PORTAL_SNAPSHOT_SECONDS = env.float("IBKR_PORTAL_SNAPSHOT_SECONDS", default=4.0)
TASTYTRADE_URL = env.str("TASTYTRADE_URL", default="https://api.tastyworks.com")
TASTYTRADE_CLIENT_SECRET = env.str("TASTYTRADE_CLIENT_SECRET", default="")
TASTYTRADE_REFRESH_TOKEN = env.str("TASTYTRADE_REFRESH_TOKEN", default="")
USER_AGENT = "greekdesk/0.1"

# --- HTTP API ---------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First, so that a refused caller is answered 401 with the scheme to use.
        "auth_tokens.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "auth_tokens.permissions.HasScope",
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
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Logs and metrics -------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = logging_config(json=env.bool("LOG_JSON", default=False), level=LOG_LEVEL)
# The task's id and the request's that caused it go along with each task; its own lines are quiet.
DJANGO_STRUCTLOG_CELERY_ENABLED = True
# Bearer token that may read /metrics, beside staff and this machine.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- Static files -----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("vendor/uplot", BASE_DIR / "node_modules" / "uplot" / "dist"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.core.staticfiles.DeskStaticFilesStorage"},
}
# Hashed names never change and are kept for ever; a plain name is asked for again after a minute.
WHITENOISE_MAX_AGE = 60

# --- Security ---------------------------------------------------------------------------------
CSRF_FAILURE_VIEW = "config.core.api.error_handler.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        # uPlot sizes its canvas by element styles set from script, which style-src does not govern.
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
