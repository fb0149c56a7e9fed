"""Keys of cached answers: documented patterns whose values cannot break out of their place.

``analytics:pnl:{account_id}:{date_range}`` becomes ``analytics:pnl:U1:2026-10-01..2026-10-31``, and
a private one ends with its owner's scope: ``:@+U1+U2+``. Values are percent-encoded, so no name
can hold a separator or a wildcard. ``~all`` stands for a parameter that was not given.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

ALL: Final = "~all"
_PLAIN: Final = frozenset((string.ascii_letters + string.digits + "._-").encode())


def build_key(pattern: str, parameters: Mapping[str, Any], *, scope: str = "") -> str:
    """Return an answer's key. Parameters the pattern does not name follow as ``name=value``.

    ``scope`` is used verbatim: values from ``encode``, joined by ``+``.
    """
    values, fields = _with_range(parameters), fields_of(pattern)
    parts = [pattern.format_map({name: encode(values.get(name)) for name in fields})]
    parts += [
        f"{encode(name)}={encode(value)}"
        for name, value in sorted(values.items())
        if name not in fields and value is not None
    ]
    return ":".join([*parts, f"@{scope}"] if scope else parts)


def scope_of_accounts(account_ids: Iterable[str]) -> str:
    """Return the scope of users who see exactly these accounts: ``+U1+U2+``."""
    return "".join(f"+{encode(each)}" for each in sorted(account_ids)) + "+"


def patterns_over_account(pattern: str, account_id: str, *, is_private: bool) -> list[str]:
    """Return shell patterns of all answers that cover an account.

    Its own, and those over all accounts of everyone who sees it. A scope that names no accounts
    begins with ``~`` and may be anybody's.
    """
    own, every = [], _open(pattern, {})
    if "account_id" in fields_of(pattern):
        own = _open(pattern, {"account_id": encode(account_id)})
        every = _open(pattern, {"account_id": ALL})
    if not is_private:
        return own + every
    scopes = (f"@*+{encode(account_id)}+*", "@~*")
    return own + [f"{each}:{scope}" for each in every for scope in scopes]


def patterns_of_all(pattern: str) -> list[str]:
    """Return shell patterns of all answers with keys of this pattern."""
    return _open(pattern, {})


def patterns_of_scope(pattern: str, scope: str) -> list[str]:
    """Return shell patterns of a scope's own answers; of all answers if it is empty."""
    every = _open(pattern, {})
    return [f"{each}:@{scope}" for each in every] if scope else every


def encode(value: Any) -> str:
    """Encode a value for a key: injective, without separators or wildcards."""
    if value is None:
        return ALL
    if isinstance(value, tuple):
        return "..".join(encode(each) for each in value)
    text = value.isoformat() if isinstance(value, date) else str(value)
    return "".join(
        chr(byte) if byte in _PLAIN else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogatepass")
    )


def fields_of(pattern: str) -> frozenset[str]:
    """Return the names in a pattern's braces."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(pattern) if name)


def _with_range(parameters: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(parameters)
    if {"start", "end"} <= values.keys():
        values["date_range"] = (values.pop("start"), values.pop("end"))
    return values


class _Wildcards(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "*"


def _open(pattern: str, values: Mapping[str, str]) -> list[str]:
    """Fill in the known values. More parts may follow, but no known part may continue."""
    text = pattern.format_map(_Wildcards(values))
    return [text] if text.endswith("*") else [text, f"{text}:*"]
