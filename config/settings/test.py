"""Tests: a fast password hasher, plain static files, and servers of the tests' own.

The addresses are only names here: ``tests/conftest.py`` starts a Valkey behind them. Each parallel
worker has its own Valkey and data folder. It is never the Valkey that ``REDIS_URL`` of the
surrounding environment names: tests empty it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def _remove(folder: str, owner: int) -> None:
    # Forked children inherit this handler, but the folder is not theirs.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


if "VAR_DIR" not in os.environ:
    os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="greekdesk-test-")
    atexit.register(_remove, os.environ["VAR_DIR"], os.getpid())
_worker = os.environ.get("PYTEST_XDIST_WORKER")
if _worker and Path(os.environ["VAR_DIR"]).name != _worker:
    # A folder for each parallel worker. The worker's own children inherit it.
    os.environ["VAR_DIR"] = str(Path(os.environ["VAR_DIR"], _worker))
    Path(os.environ["VAR_DIR"]).mkdir(exist_ok=True)
_socket = Path(os.environ["VAR_DIR"]) / "valkey.sock"
os.environ["REDIS_URL"] = f"unix://{_socket}?db=0"
os.environ["CACHE_URL"] = f"unix://{_socket}?db=1"

from config.settings.base import *  # noqa: E402, F403
from config.settings.base import CACHES, DATABASES, STORAGES  # noqa: E402
from config.settings.environment import VAR_DIR  # noqa: E402

SECRET_KEY = "tests-only-key-that-opens-nothing-anywhere-0123456789"  # noqa: S105
TOKEN_ENCRYPTION_KEYS = [
    "dGVzdHMtb25seS1rZXktdGhhdC1vcGVucy1ub3RoaW4="  # pragma: allowlist secret
]
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
WEBSOCKET_ORIGINS = ["http://testserver", "http://127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
WHITENOISE_AUTOREFRESH = True
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # A test's threads share its database; a pool would outlive it.
    DATABASES["default"]["OPTIONS"].pop("pool", None)
else:
    DATABASES["default"]["OPTIONS"]["timeout"] = 20
    # A thread of one test keeps nothing open for the next.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    # A file, as in the embedded default, shared by a test's threads and processes. All workers
    # name the same: each gets a copy.
    DATABASES["default"]["TEST"] = {
        "NAME": str((VAR_DIR.parent if VAR_DIR.name == _worker else VAR_DIR) / "test.sqlite3")
    }
CELERY_TASK_ALWAYS_EAGER = False
# A thread would hand on what one test counted during the next.
MONITORING_SECONDS = 0.0
# A busy machine is no dead Redis. Tests of a hanging one set the shipped value.
REDIS_SOCKET_TIMEOUT = 5.0
CACHES["default"]["OPTIONS"] |= {"SOCKET_TIMEOUT": 5.0, "SOCKET_CONNECT_TIMEOUT": 5.0}
# The test sandbox enforces no limits; tests of the limits set their own.
IBKR_PORTAL_CALLS_PER_SECOND = 0
IBKR_PORTAL_ENDPOINT_SECONDS = 0.0
