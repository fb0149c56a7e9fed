from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from config.core.api.parameters import QueryParameters
from config.core.errors import InvalidInput

ALLOWED = {"account_id", "fresh", "spot", "day", "start", "end", "resolution", "days"}
TODAY = date(2026, 11, 20)


def parameters(query: str) -> QueryParameters:
    return QueryParameters(QueryDict(query), allowed=ALLOWED)


def test_absent_parameters_give_their_defaults() -> None:
    none = parameters("")
    assert none.identifier("account_id") is None
    assert none.boolean("fresh", default=True) is True
    assert none.decimal("spot") is None
    assert none.date("day") is None
    assert none.choice("resolution", ("minute", "day"), default="day") == "day"
    assert none.integer("days", default=7, minimum=1, maximum=30) == 7


def test_values_are_converted() -> None:
    some = parameters(
        "account_id=5WX00001&fresh=false&spot=-1.50&day=2026-02-28&resolution=day&days=30"
    )
    assert some.identifier("account_id") == "5WX00001"
    assert some.boolean("fresh", default=True) is False
    assert some.decimal("spot") == Decimal("-1.50")
    assert some.date("day") == date(2026, 2, 28)
    resolution: Literal["minute", "day"] = some.choice(
        "resolution", ("minute", "day"), default="minute"
    )
    assert resolution == "day"
    assert some.integer("days", default=7, minimum=1, maximum=30) == 30


def test_unknown_parameters_are_all_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        parameters("acount_id=1&foo=2&fresh=true")
    assert set(refused.value.fields) == {"acount_id", "foo"}


def test_name_of_an_unknown_parameter_is_repeated_harmlessly() -> None:
    with pytest.raises(InvalidInput) as refused:
        parameters("%3Cscript%3Ealert(1)%3C/script%3E=1")
    assert "<" not in str(refused.value)


def test_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        parameters("day=2026-01-01&day=2026-01-02")
    assert refused.value.fields == {"day": "Given more than once."}


@pytest.mark.parametrize(
    "query",
    [
        "account_id=",
        "account_id=%00",
        "account_id=a%0Ab",
        "account_id=" + "x" * 65,
        "account_id=%27%20OR%201",
        "fresh=maybe",
        "spot=abc",
        "spot=NaN",
        "spot=Infinity",
        "spot=1_000",
        "spot=-1000",
        "spot=1000",
        "day=2026-02-30",
        "day=20260101",
        "day=2026-1-1",
        "day=2026-W01-1",
        "day=%D9%A2026-01-01",
        "resolution=hour",
        "days=0",
        "days=31",
        "days=1.5",
        "days=%D9%A3",
    ],
)
def test_impossible_value_names_its_field(query: str) -> None:
    name = query.partition("=")[0]
    with pytest.raises(InvalidInput) as refused:
        _read_all(parameters(query))
    assert set(refused.value.fields) == {name}


def _read_all(some: QueryParameters) -> None:
    some.identifier("account_id")
    some.boolean("fresh", default=True)
    some.decimal("spot", minimum=Decimal(-100), maximum=Decimal(100))
    some.date("day")
    some.choice("resolution", ("minute", "day"), default="day")
    some.integer("days", default=7, minimum=1, maximum=30)


@given(st.sampled_from(sorted(ALLOWED)), st.text(max_size=80))
def test_any_text_is_read_or_refused_by_name(name: str, text: str) -> None:
    some = QueryParameters({name: text}, allowed=ALLOWED)
    named: set[str] = set()
    try:
        _read_all(some)
        some.date_range(today=TODAY)
    except InvalidInput as refused:
        named = set(refused.fields)
    assert named <= {name, "start"}


def test_date_range_is_the_last_thirty_days_by_default() -> None:
    assert parameters("").date_range(today=TODAY) == (date(2026, 10, 22), TODAY)


def test_date_range_includes_both_ends() -> None:
    chosen = parameters("start=2026-11-01&end=2026-11-01").date_range(today=TODAY)
    assert chosen == (date(2026, 11, 1), date(2026, 11, 1))


@pytest.mark.parametrize(
    "query", ["start=2026-11-02&end=2026-11-01", "start=2000-01-01", "start=2027-01-01"]
)
def test_impossible_range_names_the_start(query: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parameters(query).date_range(today=TODAY)
    assert set(refused.value.fields) == {"start"}


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_day_whose_neighbours_may_not_exist_is_refused(day: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parameters(f"end={day}").date("end")
    assert set(refused.value.fields) == {"end"}
