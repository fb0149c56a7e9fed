"""Read the rows of a Flex statement's XML, within bounds no real statement reaches."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from sys import intern
from typing import Final

from defusedxml.ElementTree import iterparse

from config.core.errors import InvalidInput

_ENCLOSING: Final = frozenset({"FlexStatement", "FlexStatements", "FlexQueryResponse"})
#: Statements nest five levels, and their longest rows have about a hundred attributes.
_DEEPEST: Final = 20
_LONGEST: Final = 1 << 16
_MOST_ATTRIBUTES: Final = 500
_PIECE: Final = 1 << 20


class FlexFileError(InvalidInput):
    """The file is no Flex statement the journal can read; the message says what to change."""


def flex_elements(content: bytes, account_number: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the statement's rows with the account of their statement; memory stays small.

    Raises FlexFileError for a row that would take seconds.
    """
    start = 0
    while start >= 0:
        begun, start = start, content.find(b"<", start + 1)
        if (len(content) if start < 0 else start) - begun > _LONGEST:
            raise FlexFileError("This is not a Flex statement: a row is too large.")
    account = ""
    root = None
    depth = 0
    for stage, element in iterparse(_InPieces(content), events=("start", "end"), forbid_dtd=True):
        if root is None:
            root = element
        depth += 1 if stage == "start" else -1
        if stage == "start":
            if depth > _DEEPEST or len(element.attrib) > _MOST_ATTRIBUTES:
                raise FlexFileError("This is not a Flex statement: a row is too large.")
            if element.tag == "FlexStatement":
                account = element.get("accountId") or account_number
                yield element.tag, dict(element.attrib)
            continue
        if element.tag not in _ENCLOSING:
            if element.attrib and not len(element):
                yield element.tag, _filled(account, element.attrib)
            element.clear()
        if element.tag == "FlexStatement":
            root.clear()


class _InPieces:
    """Read a megabyte at a time: the parser scans a token that has not ended again with each piece,
    so that a comment of 25 MB in its own small ones would take 20 seconds."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, _size: int = -1) -> bytes:
        return self._file.read(_PIECE)


def _filled(account: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """Return what a row says. Rows repeat each other: each text is kept once."""
    filled = {"accountId": account}
    for name, value in attributes.items():
        if value:
            filled[name] = intern(value)
    return filled
