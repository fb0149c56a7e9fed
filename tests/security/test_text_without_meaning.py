"""Half of a surrogate pair is JSON, but no text: it is refused where the body is read."""

from __future__ import annotations

import io

import pytest
from rest_framework.exceptions import ParseError

from config.core.api.parsers import DeskJSONParser


def parse(body: bytes) -> object:
    return DeskJSONParser().parse(io.BytesIO(body), "application/json", {"encoding": "utf-8"})


@pytest.mark.parametrize(
    "body",
    [rb'"\ud800"', rb'{"\udfff": 1}', rb'{"legs": [{"symbol": "SPY\uD83D"}]}', b"[" * 100_000],
    ids=["alone", "name", "inside", "deep"],
)
def test_body_that_no_answer_could_repeat_is_the_callers_error(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse(body)


def test_whole_pair_is_its_character() -> None:
    assert parse(rb'{"note": "\ud83e\udd84"}') == {"note": "\N{UNICORN FACE}"}
