"""Redact secrets from logs, error messages and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from django.conf import settings

REDACTED = "[redacted]"

# Long words are secret anywhere in a name; short ones only as a separate word.
_WORDS = (
    r"(?:token|secret|passw(?:or)?d|authori[sz]ation|cookie|credential|(?:api|private)[-_ ]?key"
    r"|session[-_]?id|(?<![a-z])(?:totp|otp|pin)(?![a-z]))[a-z_]{0,12}"
)
_SECRET_KEY = re.compile(_WORDS, re.IGNORECASE)
# Names that contain such a word but no secret.
_HARMLESS_KEY = re.compile(
    r"token_(?:id|prefix|type|count|provider)|(?:_|-|^)(?:status|expires?_?[a-z]*|name)$",
    re.IGNORECASE,
)
_LONGEST_SEGMENT = 64
_PATH_BEFORE = re.compile(r"/[\w-]*$", re.ASCII)
_SAID_OF_PATH = re.compile(r"[\w-]+: (?:[1-5]\d\d|the|no)", re.ASCII)


def _without_value(found: re.Match[str]) -> str:
    """Return the name alone, but keep what is said of a path: ``POST /oauth/token: 403``."""
    if _SAID_OF_PATH.fullmatch(found[0]):
        start = found.start()
        if _PATH_BEFORE.search(found.string, max(0, start - _LONGEST_SEGMENT), start):
            return found[0]
    return f"{found['name']}{REDACTED}"


_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(Bearer|Basic|Token)\s+[\w+/.~=-]{6,}", re.IGNORECASE), r"\1 [redacted]"),
    # Personal API tokens (auth_tokens.api_tokens.digests) and JSON Web Tokens, anywhere.
    (re.compile(r"\bgd_[A-Za-z0-9_-]{20,}"), REDACTED),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"otpauth://\S+", re.IGNORECASE), REDACTED),
    # Name and value: JSON (also inside a string), query strings, form bodies, reprs.
    (
        re.compile(
            rf"(?P<name>{_WORDS}\\*[\"']?\s*[=:]\s*)"
            r"(?!\\*[\"']?(?:\[redacted\]|(?:Bearer|Basic) \[))"
            r"(?:\"[^\"]*\"|'[^']*'|\\\"[^\"]*\"|[^\s\"'&,;{}\[\]()]+)",
            re.IGNORECASE,
        ),
        _without_value,
    ),
    # Passwords in addresses. From the start of a word: a long one is looked at once.
    (re.compile(r"(\b\w+://[^\s/:@]*):[^\s/@]+@"), rf"\1:{REDACTED}@"),
)
_NO_PATTERN = re.compile(r"[\w/-]*", re.ASCII)
_SHORTEST_LITERAL = 6
# As short as production takes a password; shorter ones are words that mean something else.
_SHORTEST_SETTING = 8


# Secrets this process learned while running, newest last.
_REMEMBERED_MOST = 64
_remembered: dict[str, None] = {}


def remember_secret(secret: str) -> None:
    """Redact this text from now on, such as a token just obtained."""
    if len(secret) < _SHORTEST_LITERAL or secret in _remembered:
        return
    _remembered.update(dict.fromkeys(_spellings(secret)))
    for oldest in list(_remembered)[:-_REMEMBERED_MOST]:
        _remembered.pop(oldest, None)


def is_secret_key(name: str) -> bool:
    """Return whether a value with this name is secret."""
    return bool(_SECRET_KEY.search(name)) and not _HARMLESS_KEY.search(name)


def redact_text(text: str, *, also: Iterable[str] = ()) -> str:
    """Return ``text`` without anything that looks secret, is a configured secret, or is in
    ``also``."""
    given = (spelling for secret in also for spelling in _spellings(secret))
    configured = read_secrets() if settings.configured else ()
    for secret in (*configured, *tuple(_remembered), *given):
        if len(secret) >= _SHORTEST_LITERAL and secret in text:
            text = text.replace(secret, REDACTED)
    # Most values are one plain word, which no pattern can match.
    if _NO_PATTERN.fullmatch(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, *, depth: int = 0) -> Any:
    """Return a copy of plain data with secrets replaced, by name and by pattern."""
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > 6:
        return REDACTED
    if isinstance(value, Mapping):
        return {
            name: REDACTED
            if isinstance(name, str) and is_secret_key(name) and item not in (None, "", True, False)
            else redact(item, depth=depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth=depth + 1) for item in value]
    if isinstance(value, bytes):
        return redact_text(value.decode("utf-8", "replace"))
    return redact_text(str(value))


@lru_cache(maxsize=1)
def read_secrets() -> tuple[str, ...]:
    """Return the settings' secrets, longest first, in each spelling."""
    found: set[str] = set()
    for name in dir(settings):
        value = getattr(settings, name, None) if name.isupper() else None
        if name == "TOKEN_ENCRYPTION_KEYS" and isinstance(value, list):
            found.update(value)
        if not isinstance(value, str):
            continue
        if re.search(r"(SECRET|TOKEN|PASSWORD|_KEY)$", name):
            found.add(value)
        elif name.endswith("_URL") and ("@" in value or "?" in value):
            address = urlsplit(value)
            found.add(address.password or "")
            # A service's key may stand in its address.
            found.update(text for _, text in parse_qsl(address.query) if "{" not in text)
    for database in settings.DATABASES.values():
        found.add(str(database.get("PASSWORD") or ""))
    spelled = {spelling for one in found for spelling in _spellings(one)}
    long = (one for one in spelled if len(one) >= _SHORTEST_SETTING)
    return tuple(sorted(long, key=len, reverse=True))


def _spellings(secret: str) -> set[str]:
    """Return the secret as it is, in an address, in a form, in JSON and in a ``repr``."""
    spelled: set[str] = set()
    for plain in (secret, unquote(secret)):
        spelled |= {plain, quote(plain), quote(plain, safe=""), quote_plus(plain)}
        spelled |= {json.dumps(plain)[1:-1], repr(plain)[1:-1]}
    return spelled
