"""``manage.py warm_cache``: what is made ready, in which order, and what could not be."""

from __future__ import annotations

import json
from io import StringIO
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError

from config.core.errors import RetryableError
from tests.config.core.caching import desk
from tests.config.core.caching.desk import declared
from tests.config.core.caching.test_warmer import GEX, PNL


def test_command_makes_critical_answers_ready_first() -> None:
    with declared(PNL, GEX) as (manager, _, source):
        out = StringIO()
        call_command("warm_cache", "--json", stdout=out)
        told = json.loads(out.getvalue())
        assert [key.partition(":")[0] for key in told["warmed"]] == ["gex", "gex", "analytics"]
        assert all(manager.exists(key) for key in told["warmed"])
        call_command("warm_cache", "--critical", stdout=StringIO())
        assert source.readings == 5


def test_command_names_what_could_not_be_made_ready() -> None:
    with declared(PNL) as (_, _, source):
        source.error = RetryableError("The broker is out.", provider="x")
        out = StringIO()
        with pytest.raises(CommandError, match="Not everything"):
            call_command("warm_cache", stdout=out)
    assert out.getvalue().endswith("The broker is out.\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProgrammingError('relation "accounts" does not exist'), "manage.py migrate"),
        (LookupError("no such account"), "Not everything"),
    ],
)
def test_command_says_in_a_line_what_cannot_be_listed(error: Exception, told: str) -> None:
    with declared(PNL), patch.object(desk, "accounts_to_warm", side_effect=error):
        out = StringIO()
        with pytest.raises(CommandError, match=told):
            call_command("warm_cache", stdout=out)
    assert out.getvalue() in ("", "analytics:pnl: no such account\n")


def test_command_says_that_nothing_is_kept_ready() -> None:
    with declared():
        out = StringIO()
        call_command("warm_cache", stdout=out)
    assert out.getvalue() == "Nothing is kept ready now.\n"
