"""What production refuses to start with: one line with the variable and what it must be."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# Words found in defaults and examples, never in random secrets.
WEAK = ("admin", "change", "default", "example", "insecure", "password", "postgres", "secret")
SHORTEST_KEY = 50
ENCRYPTION_KEY_BYTES = 32
SHORTEST_PASSWORD = 8


def require(values: Mapping[str, object]) -> None:
    """Require every variable to have a value. Raises ``ImproperlyConfigured``, as all of these
    do."""
    for name, value in values.items():
        if not value:
            raise ImproperlyConfigured(f"{name} must be set in production (see .env.example).")


def refuse_weak_key(key: str) -> None:
    """Require a long, random ``SECRET_KEY``: whoever knows it can sign in as anyone."""
    if len(key) < SHORTEST_KEY or len(set(key)) < 10 or _is_weak(key):
        raise ImproperlyConfigured(
            f"SECRET_KEY is a default or too short: use at least {SHORTEST_KEY} random characters."
        )


def refuse_bad_encryption_keys(keys: Sequence[str]) -> None:
    """Require ``TOKEN_ENCRYPTION_KEYS`` to be random Fernet keys."""
    for number, key in enumerate(keys, start=1):
        try:
            drawn = base64.urlsafe_b64decode(key)
        except ValueError:
            drawn = b""
        if len(drawn) != ENCRYPTION_KEY_BYTES or len(set(drawn)) < 10:
            raise ImproperlyConfigured(
                f"TOKEN_ENCRYPTION_KEYS: key {number} is not a Fernet key: use 32 random bytes in"
                " URL-safe base64 (see .env.example)."
            )


def refuse_open_hosts(hosts: Sequence[str]) -> None:
    """Require ``ALLOWED_HOSTS`` to name hosts: a star would accept every Host header."""
    for host in hosts:
        if "*" in host or "/" in host or not host.strip(". "):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS must name the desk's hosts, like desk.example.org; it has {host!r}."
            )


def refuse_plain_origins(name: str, origins: Sequence[str]) -> None:
    """Require trusted origins to be https with host only: plain HTTP can be forged."""
    for origin in origins:
        address = urlsplit(origin)
        host = address.netloc.removeprefix("*.")
        if address.scheme != "https" or not host or "*" in host or address.path or address.query:
            raise ImproperlyConfigured(
                f"{name} must hold https:// addresses without a path, like "
                f"https://desk.example.org; it has {origin!r}."
            )


def refuse_weak_database(database: Mapping[str, Any]) -> None:
    """Require ``DATABASE_URL`` to be PostgreSQL with a strong password."""
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
