"""What stops a command is one line; an option that cannot be read is named."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import CommandParser
from django.db import OperationalError
from redis.exceptions import RedisError

from config.core.commands.command import DeskCommand
from config.core.commands.options import day, port
from config.core.errors import InvalidInput


class Failing(DeskCommand):
    requires_system_checks: list[str] = []

    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to-day")

    def handle(self, *args: Any, **options: Any) -> None:
        raise self.raised


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (InvalidInput("Empty.", fields={"to_day": "later"}), "Empty. --to-day: later"),
        (InvalidInput("No.", fields={"currency": "three letters"}), "No. currency: three letters"),
        (InvalidInput("to_day: no.", fields={"to_day": "no."}), "to_day: no."),
        (RedisError(), "Redis does not answer (RedisError)."),
        (OperationalError("timeout\nDETAIL"), "The database says: timeout."),
        (
            OperationalError("no such table: accounts"),
            "The database says: no such table: accounts. Run `manage.py migrate` first.",
        ),
        (KeyboardInterrupt(), "Interrupted."),
    ],
)
def test_what_stops_a_command_is_one_line(raised: BaseException, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(Failing(raised))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (day, "2026-02-28", date(2026, 2, 28)),
        (day, "2026-02-29", None),
        (day, "20260228", None),
        (day, "2026-W09-6", None),
        (day, "soon", None),
        (port, "0", 0),
        (port, "65535", 65535),
        (port, "65536", None),
        (port, "-1", None),
        (port, "٨٠", None),
    ],
)
def test_option_is_read_or_refused(read: Callable[[str], Any], text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(ArgumentTypeError, match=f"'{text}' is not a"):
            read(text)
    else:
        assert read(text) == value
