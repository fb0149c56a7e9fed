"""What production refuses to start on: one line that names the variable and what it must be."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# Words that stand in defaults and examples, and in nothing that was drawn at random.
WEAK = ("admin", "change", "default", "example", "insecure", "password", "postgres", "secret")
SHORTEST_KEY = 50
ENCRYPTION_KEY_BYTES = 32
SHORTEST_PASSWORD = 8


def require(values: Mapping[str, object]) -> None:
    """Every variable has a value. Raises ``ImproperlyConfigured``, as all of these do."""
    for name, value in values.items():
        if not value:
            raise ImproperlyConfigured(f"{name} must be set in production (see .env.example).")


def refuse_weak_key(key: str) -> None:
    """``SECRET_KEY`` is long and random: whoever knows it can sign in as anybody."""
    if len(key) < SHORTEST_KEY or len(set(key)) < 10 or _is_weak(key):
        raise ImproperlyConfigured(
            f"SECRET_KEY is a default or too short: use at least {SHORTEST_KEY} random characters."
        )


def refuse_bad_encryption_keys(keys: Sequence[str]) -> None:
    """``TOKEN_ENCRYPTION_KEYS`` holds Fernet keys that were drawn at random."""
    for number, key in enumerate(keys, start=1):
        try:
            drawn = base64.urlsafe_b64decode(key)
        except ValueError:
            drawn = b""
        if len(drawn) != ENCRYPTION_KEY_BYTES or len(set(drawn)) < 10:
            raise ImproperlyConfigured(
                f"TOKEN_ENCRYPTION_KEYS: key {number} is no Fernet key: use 32 random bytes in"
                " URL-safe base64 (see .env.example)."
            )


def refuse_open_hosts(hosts: Sequence[str]) -> None:
    """``ALLOWED_HOSTS`` names hosts: a star would believe every Host header."""
    for host in hosts:
        if "*" in host or "/" in host or not host.strip(". "):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS must name the desk's hosts, like desk.example.org; it has {host!r}."
            )


def refuse_plain_origins(name: str, origins: Sequence[str]) -> None:
    """Trusted origins are addresses over TLS, scheme and host: anybody may write on plain HTTP."""
    for origin in origins:
        address = urlsplit(origin)
        host = address.netloc.removeprefix("*.")
        if address.scheme != "https" or not host or "*" in host or address.path or address.query:
            raise ImproperlyConfigured(
                f"{name} must hold https:// addresses without a path, like "
                f"https://desk.example.org; it has {origin!r}."
            )


def refuse_weak_database(database: Mapping[str, Any]) -> None:
    """``DATABASE_URL`` names PostgreSQL, and a password that nobody guesses."""
    if not str(database.get("ENGINE", "")).endswith("postgresql"):
        raise ImproperlyConfigured(
            "DATABASE_URL must name PostgreSQL in production: "
            "postgresql://USER:PASSWORD@HOST/NAME."  # pragma: allowlist secret
        )
    password = str(database.get("PASSWORD") or "")
    if not password:
        raise ImproperlyConfigured("DATABASE_URL has no password: give its user a random one.")
    own = {str(database.get(part) or "").lower() for part in ("USER", "NAME", "HOST")}
    if len(password) < SHORTEST_PASSWORD or password.lower() in own or _is_weak(password):
        raise ImproperlyConfigured(
            "The password in DATABASE_URL is a default, a name, or shorter than "
            f"{SHORTEST_PASSWORD} characters: use a random one."
        )


def _is_weak(text: str) -> bool:
    return any(word in text.lower() for word in WEAK)
