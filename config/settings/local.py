"""A developer's machine and the demo: embedded database and Valkey, loopback only."""

from __future__ import annotations

import secrets

from config.settings.base import *  # noqa: F403
from config.settings.base import ALLOWED_HOSTS, SECRET_KEY
from config.settings.environment import VAR_DIR

if not SECRET_KEY:
    # One key a checkout, made on first use, so that sessions survive a restart.
    _key_file = VAR_DIR / "secret_key"
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    if not _key_file.exists():
        _key_file.touch(mode=0o600)
        _key_file.write_text(secrets.token_urlsafe(48))
    SECRET_KEY = _key_file.read_text().strip()
ALLOWED_HOSTS = ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]
SESSION_COOKIE_NAME = "greekdesk_session"
CSRF_COOKIE_NAME = "greekdesk_csrf"
