"""Texts on which a careless pattern would work for minutes or for ever."""

from __future__ import annotations

import pytest

from config.core.redaction import redact_text
from portfolio.brokers.ibkr_flex.client import _STATEMENT
from portfolio.brokers.tastytrade.transactions import _PRICE

pytestmark = pytest.mark.timeout(20)


@pytest.mark.parametrize("text", ["a" * 300_000 + " ", "a://" * 50_000, "a-" * 100_000])
def test_long_words_are_redacted_in_one_pass(text: str) -> None:
    address = "postgres://desk:{}@host/"
    assert redact_text(f"{text} {address.format('hidden')}") == (
        f"{text} {address.format('[redacted]')}"
    )


def test_price_of_a_description_is_found_in_one_pass() -> None:
    assert _PRICE.search("@ " + "1" * 130_000 + "x") is None


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("Bought 1 @ 1,234.50", "1,234.50"),
        ("x @ -0.5 ", "-0.5"),
        ("@ $.5", ".5"),
        ("@ 5", "5"),
        ("settled at 5", "5"),
    ],
)
def test_price_of_a_description_is_its_last_number(text: str, price: str) -> None:
    found = _PRICE.search(text)
    assert found is not None
    assert found[1] == price


@pytest.mark.parametrize("text", ["@ ,", "@ 5.", "@ 5 each", "format 5", "at 5 each"])
def test_description_without_a_price_has_none(text: str) -> None:
    assert _PRICE.search(text) is None


def test_answer_of_comments_alone_is_no_statement() -> None:
    assert _STATEMENT.match(b"<!---->" * 500) is None
    assert _STATEMENT.match(b"<?xml version='1.0'?>\n<!-- a --> <!-- b -->\n<FlexQueryResponse>")
