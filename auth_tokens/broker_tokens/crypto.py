"""Encrypt brokers' tokens with keys from the environment.

``TOKEN_ENCRYPTION_KEYS`` holds Fernet keys (AES-128-CBC with HMAC-SHA256). The first encrypts, all
decrypt. They are independent of ``SECRET_KEY``, so that either can be changed alone.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class Undecryptable(Exception):
    """No key decrypts this ciphertext: it counts as no token, and a new one is obtained."""


def encrypt(text: str, *, provider: str) -> str:
    """Encrypt ``text`` with the first key, bound to its provider."""
    return MultiFernet(_keys()).encrypt(f"{provider}\n{text}".encode()).decode()


def decrypt(ciphertext: str, *, provider: str) -> str:
    """Decrypt. Raises ``Undecryptable``, also for another provider's ciphertext."""
    try:
        owner, _, text = MultiFernet(_keys()).decrypt(ciphertext).decode().partition("\n")
    except InvalidToken:
        raise Undecryptable(f"{provider}: no key of TOKEN_ENCRYPTION_KEYS opens it") from None
    if owner != provider:
        raise Undecryptable(f"{provider}: the ciphertext is another provider's")
    return text


def rotated(ciphertext: str) -> str | None:
    """Re-encrypt with the first key; ``None`` if it already is. Raises ``Undecryptable``."""
    keys = _keys()
    try:
        keys[0].decrypt(ciphertext)
    except InvalidToken:
        pass
    else:
        return None
    try:
        return MultiFernet(keys).rotate(ciphertext).decode()
    except InvalidToken:
        raise Undecryptable("no key of TOKEN_ENCRYPTION_KEYS opens it") from None


def _keys() -> list[Fernet]:
    try:
        keys = [Fernet(key) for key in settings.TOKEN_ENCRYPTION_KEYS]
    except ValueError:
        # Drop the cause, which may hold the key.
        raise ImproperlyConfigured(
            "TOKEN_ENCRYPTION_KEYS holds a value that is not a Fernet key."
        ) from None
    if not keys:
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS is empty: see docs/tokens.md.")
    return keys
