"""Half of a surrogate pair is JSON, but no text: it is refused where the body is read."""

from __future__ import annotations

import io

import pytest
from rest_framework.exceptions import ParseError

from config.core.api.parsers import DeskJSONParser
from config.core.errors import InvalidInput


def parse(body: bytes) -> object:
    return DeskJSONParser().parse(io.BytesIO(body), "application/json", {"encoding": "utf-8"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'"\ud800"', "body"),
        (rb'{"\udfff": 1}', "body"),
        (rb'{"note": 1, "legs": [{"symbol": "SPY\uD83D"}]}', "legs.0.symbol"),
    ],
    ids=["alone", "name", "inside"],
)
def test_body_that_no_answer_could_repeat_is_the_callers_error(body: bytes, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body)
    assert list(refused.value.fields or ()) == [field]


def test_body_nested_too_deep_is_the_callers_error() -> None:
    with pytest.raises(ParseError):
        parse(b"[" * 100_000)


def test_whole_pair_is_its_character() -> None:
    assert parse(rb'{"note": "\ud83e\udd84"}') == {"note": "\N{UNICORN FACE}"}
