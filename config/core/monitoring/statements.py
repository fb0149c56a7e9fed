"""Make statements and plans safe to log: without values."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 4_000

#: Tokens from left to right, so that a quote in a comment starts no literal, nor the reverse.
#: An unfinished literal or comment goes on to the end.
_TOKEN: Final = re.compile(
    r"""
    (?P<name> "(?:[^"]|"")*(?:"|\Z) )
    | (?P<estimate> \(cost=[\d.]+\ rows=\d+\ width=\d+\) )
    | (?P<literal>
        \b[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
        | '(?:[^']|'')*(?:'|\Z)
        | \$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)
      )
    | (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<number> (?<![\w$.]) \d+(?:\.\d*)?(?:[eE][+-]?\d+)?\b | (?<![\w$.])\.\d+\b )
    """,
    re.VERBOSE | re.DOTALL,
)
_READS: Final = re.compile(r"[\s(]*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE)
_WRITES: Final = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE|INTO|TRUNCATE|CALL|COPY|LOCK)\b", re.IGNORECASE
)


def without_values(text: str) -> str:
    """Replace each literal by ``?``, remove comments, and cut what is too long."""
    plain = _TOKEN.sub(_logged, text)
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"


def is_read(sql: str) -> bool:
    """Return whether the statement certainly only reads."""
    words = _TOKEN.sub(_ignored, sql)
    if _READS.match(words) is None or _WRITES.search(words):
        return False
    return ";" not in words.rstrip("; \n\t")


def _logged(token: re.Match[str]) -> str:
    if token["name"] is not None or token["estimate"] is not None:
        return token[0]
    return " " if token["comment"] is not None else "?"


def _ignored(token: re.Match[str]) -> str:
    return " " if token["comment"] is not None else "x"
