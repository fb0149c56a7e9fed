"""The stored form of a token.

A token has 256 random bits, so its SHA-256 cannot be searched: a slow password hash would make
each request slower and no safer.
"""

from __future__ import annotations

import hashlib
import re

TOKEN_PREFIX = "gd_"  # noqa: S105 -- marks our tokens for secret scanners; not a secret
_TOKEN_TEXT = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}")


def is_token_text(text: str) -> bool:
    """Return whether the text has the form of one of our tokens."""
    return _TOKEN_TEXT.fullmatch(text) is not None


def token_digest(text: str) -> str:
    """SHA-256 of a token's text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
