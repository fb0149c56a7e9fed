from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.errors import MalformedResponse
from greeks.providers.decoding import (
    BadRow,
    decode_rows,
    parse_date,
    parse_decimal,
    parse_float,
    parse_identifier,
    parse_integer,
    parse_milliseconds,
    parse_text,
    parse_time,
    storable,
)

NOW = datetime(2026, 4, 2, 13, 30, tzinfo=UTC)
UNSET = 1.7976931348623157e308
MISSING = [None, "", " ", "NaN", "nan", "n/a", float("nan"), float("inf"), -float("inf"), UNSET]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("value", [*MISSING, "Infinity", str(UNSET), -UNSET, "1e999999999"])
def test_missing_and_unset_numbers_become_none(value: Any) -> None:
    assert parse_decimal(value, "price") is None
    assert parse_float(value, "delta") is None
    assert parse_integer(value, "volume") is None


@pytest.mark.parametrize("value", MISSING)
def test_missing_required_number_is_a_bad_row_that_names_the_field(value: Any) -> None:
    with pytest.raises(BadRow, match="position: missing"):
        parse_decimal(value, "position", required=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (-0.0, "0"),
        (3, "3"),
        ("1,234,567.5", "1234567.5"),
        (" 12.50 ", "12.50"),
        (-44.0, "-44.0"),
        (584.3133333333334, "584.31333333"),
        (Decimal("1.123456785"), "1.12345678"),
        (1e-7, "1E-7"),
        (999_999_999_999, "999999999999"),
    ],
)
def test_numbers_and_texts_become_exact_decimals_of_eight_places(value: Any, expected: str) -> None:
    assert str(parse_decimal(value, "price")) == expected


@pytest.mark.parametrize(
    "value", [True, {}, [1], "12 USD", "0x10", "1e", "--5", "9" * 400, "٣", "１２", "1_000"]
)
def test_what_is_no_number_is_a_bad_row(value: Any) -> None:
    for parse in (parse_decimal, parse_float, parse_integer):
        with pytest.raises(BadRow, match="price"):
            parse(value, "price")


@pytest.mark.parametrize("value", [1e12, -(10**12), "1e13", 10**400, 1e299])
def test_number_too_large_to_store_is_a_bad_row(value: Any) -> None:
    with pytest.raises(BadRow, match="too large"):
        parse_decimal(value, "size")


def test_fraction_of_a_count_is_a_bad_row() -> None:
    assert parse_integer("1,200", "open interest") == 1200
    assert parse_integer(1200.0, "open interest") == 1200
    with pytest.raises(BadRow, match="whole"):
        parse_integer(1.5, "open interest")


@pytest.mark.parametrize("value", ["A\x00B", "line\nbreak", "\ud800", 5, {}, "x" * 256])
def test_text_with_control_characters_wrong_type_or_length_is_a_bad_row(value: Any) -> None:
    with pytest.raises(BadRow, match="name"):
        parse_text(value, "name")


def test_identifier_is_the_same_from_number_and_text() -> None:
    assert parse_identifier(756733, "conid") == parse_identifier(" 756733 ", "conid") == "756733"


@pytest.mark.parametrize("value", [None, "", True, 1.5, "x" * 65, 10**64, "a\x00"])
def test_impossible_identifier_is_a_bad_row(value: Any) -> None:
    with pytest.raises(BadRow, match="id"):
        parse_identifier(value, "id")


def test_times_are_aware_and_in_utc() -> None:
    moment = datetime(2026, 4, 2, 22, 40, 6, tzinfo=UTC)
    assert parse_milliseconds(1775169606000, "t") == moment
    assert parse_time("2026-04-02T18:40:06-04:00", "t") == moment
    assert parse_time("2026-04-02T22:40:06Z", "t") == moment
    assert parse_time("2026-04-02T22:40:06", "t") == moment
    assert [parse(None, "t") for parse in (parse_milliseconds, parse_time)] == [None, None]


@pytest.mark.parametrize("value", [1775169606, -1, 1e20, "soon", True])
def test_milliseconds_in_another_unit_are_a_bad_row(value: Any) -> None:
    with pytest.raises(BadRow, match="time"):
        parse_milliseconds(value, "time")


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01T00:00:00Z", 5])
def test_text_that_is_no_time_is_a_bad_row(value: Any) -> None:
    with pytest.raises(BadRow, match="when"):
        parse_time(value, "when")


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
def test_zero_or_largest_time_is_missing(year: str) -> None:
    for text in ("", "T00:00:00Z", "T23:59:59+14:00", "T00:00:00-12:00"):
        assert parse_time(f"{year}{text}", "t") is None
    assert parse_date(year, "expiry") is None


@pytest.mark.parametrize("year", ["0002-01-01", "1889-12-31", "2200-01-01", "9998-01-01"])
def test_impossible_year_is_a_bad_row(year: str) -> None:
    with pytest.raises(BadRow, match="not a time"):
        parse_time(f"{year}T00:00:00Z", "t")
    with pytest.raises(BadRow, match="not a date"):
        parse_date(year, "expiry")


def test_dates_are_read_in_both_forms() -> None:
    assert parse_date("20260117", "expiry") == parse_date(20260117, "expiry") == date(2026, 1, 17)
    assert parse_date("2026-01-17", "expiry") == date(2026, 1, 17)
    assert parse_date("", "expiry") is parse_date(0, "expiry") is None
    with pytest.raises(BadRow, match="expiry"):
        parse_date("20260230", "expiry")


def test_bad_rows_are_kept_with_reason_and_payload_beside_the_good_ones() -> None:
    rows: list[Any] = [{"size": 1}, {"size": "NaN"}, "text", {"size": float("inf")}, {"size": 2}]
    fetched = decode_rows(
        rows,
        lambda row: parse_decimal(row.get("size"), "size", required=True),
        kind="trade",
        source="test",
        as_of=NOW,
    )
    assert fetched.items == (Decimal(1), Decimal(2))
    assert [(row.kind, row.reason.split(":")[0]) for row in fetched.rejected] == [
        ("trade", "size"),
        ("trade", "'text' is not an object"),
        ("trade", "size"),
    ]
    assert [row.payload for row in fetched.rejected] == [
        {"size": "NaN"},
        {"row": "text"},
        {"size": "inf"},
    ]


@pytest.mark.parametrize("answer", [None, {}, "text", 5])
def test_answer_that_is_no_list_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponse, match="order rows"):
        decode_rows(answer, dict, kind="order", source="test", as_of=NOW)


def reason_of(parse: Callable[[Any, str], object], value: Any) -> str:
    try:
        parse(value, "field")
    except BadRow as error:
        return error.reason
    return "field: read"


@given(value=json_values)
def test_any_value_is_read_or_is_a_bad_row(value: Any) -> None:
    for parse in (
        parse_decimal,
        parse_float,
        parse_integer,
        parse_text,
        parse_identifier,
        parse_milliseconds,
        parse_time,
        parse_date,
    ):
        reason = reason_of(parse, value)
        assert reason.startswith("field")
        assert "\x00" not in reason


@given(value=json_values)
def test_any_payload_can_be_stored_as_json_without_nul(value: Any) -> None:
    text = json.dumps(storable(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text.replace("\\\\u0000", "")
    text.encode("utf-8")
