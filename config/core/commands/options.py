"""Types of options for argparse, which puts the option's name before what they raise."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date


def day(text: str) -> date:
    """Parse ``YYYY-MM-DD``."""
    try:
        if len(text) == 10 and text[4] == text[7] == "-":
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text[:32]!r} is not a date: write YYYY-MM-DD.")


def port(text: str) -> int:
    """Parse a TCP port; 0 is any free one."""
    if text.isascii() and text.isdecimal() and int(text) < 65536:
        return int(text)
    raise ArgumentTypeError(f"{text[:32]!r} is not a port: write 0 to 65535.")
