"""Request bodies against their shapes: each problem is named by its field, in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from config.core.api.shapes import Shape, read_shape
from config.core.errors import InvalidInput


class ShapeOfLeg(Shape):
    id: int


class ShapeOfOrder(Shape):
    name: str
    legs: list[ShapeOfLeg] = []
    limit: float | None = None


def test_body_that_fits_is_read() -> None:
    read = read_shape(ShapeOfOrder, {"name": "roll", "legs": [{"id": 4}], "limit": 1})
    assert read == ShapeOfOrder(name="roll", legs=[ShapeOfLeg(id=4)], limit=1.0)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name": "Missing."}),
        ({"name": 5}, {"name": "Expected text, got a whole number."}),
        ({"name": None}, {"name": "Expected text, got null."}),
        ({"name": "x", "limit": "1"}, {"limit": "Expected a number or null, got text."}),
        ({"name": "x", "legs": {}}, {"legs": "Expected a list, got an object."}),
        ({"name": "x", "legs": [{"id": "1"}]}, {"legs.0.id": "Expected a whole number, got text."}),
        ({"name": "x", "legs": [{"id": 1, "a": 2}]}, {"legs.0.a": "Not a field here."}),
        ({"name": "x", "b\x00<": 1}, {"b??": "Not a field here. Known: legs, limit, name."}),
    ],
)
def test_problem_is_named_by_its_field(body: Any, fields: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_shape(ShapeOfOrder, body)
    assert refused.value.fields == fields


class ShapeOfChoice(Shape):
    name: str | None = None


@pytest.mark.parametrize("body", [None, [], "text", 5])
@pytest.mark.parametrize(
    ("shape", "fields"), [(ShapeOfOrder, {"name": "Missing."}), (ShapeOfChoice, {})]
)
def test_body_that_is_no_object_lacks_the_first_field_that_is_required(
    shape: type[Shape], fields: dict[str, str], body: Any
) -> None:
    with pytest.raises(InvalidInput, match="Expected an object") as refused:
        read_shape(shape, body)
    assert (refused.value.fields or {}) == fields
