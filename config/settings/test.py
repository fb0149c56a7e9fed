"""Tests: a fast password hasher, no lock-out between tests, plain static files."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="greekdesk-test-"))

from config.settings.base import *  # noqa: E402, F403
from config.settings.base import DATABASES, STORAGES  # noqa: E402

SECRET_KEY = "tests-only-key-that-opens-nothing-anywhere-0123456789"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
WEBSOCKET_ORIGINS = ["http://testserver", "http://127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
WHITENOISE_AUTOREFRESH = True
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Threads of a test share its database; a pool would outlive it.
    DATABASES["default"]["OPTIONS"].pop("pool", None)
else:
    DATABASES["default"]["OPTIONS"]["timeout"] = 20
CELERY_TASK_ALWAYS_EAGER = False
