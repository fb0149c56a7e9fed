"""Developer machines and the demo: embedded database and Valkey, loopback only."""

from __future__ import annotations

import secrets

from cryptography.fernet import Fernet

from config.settings.base import *  # noqa: F403
from config.settings.base import ALLOWED_HOSTS, SECRET_KEY, TOKEN_ENCRYPTION_KEYS
from config.settings.environment import VAR_DIR
from config.settings.key_files import kept_key

if not SECRET_KEY:
    # One key per checkout, so sessions survive a restart.
    SECRET_KEY = kept_key(VAR_DIR / "secret_key", lambda: secrets.token_urlsafe(48))
if not TOKEN_ENCRYPTION_KEYS:
    _token_key = kept_key(VAR_DIR / "token_key", lambda: Fernet.generate_key().decode())
    TOKEN_ENCRYPTION_KEYS = [_token_key]
ALLOWED_HOSTS = ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]
SESSION_COOKIE_NAME = "greekdesk_session"
CSRF_COOKIE_NAME = "greekdesk_csrf"
