"""Shapes of JSON bodies: declared once, they check requests and make the OpenAPI document."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, NoReturn, Self, TypeVar

import msgspec
from django.db.models import Choices
from msgspec import Meta

from config.core.errors import InvalidInput, invalid

#: A JSON number, null where it is missing.
Number = float | None
#: One number a minute (or step), null in a gap.
Column = list[Number]
#: A day; its own name, so that a field may be called date.
Day = date
#: A time with its offset.
Moment = Annotated[datetime, Meta(tz=True)]
Double = Annotated[float, Meta(extra_json_schema={"format": "double"})]

_PROBLEM = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_NAMED = re.compile(
    r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`", re.S
)

#: JSON's types as people name them: the caller need not know Python.
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_WORDS |= {"array": "a list", "object": "an object", " | ": " or "}
_TYPE = re.compile(r"\b(?:str|int|float|bool|array|object)\b| \| ")


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object. The class's name is its name in the OpenAPI document."""

    @classmethod
    def of(cls, source: object, /, **given: Any) -> Self:
        """Return the shape of ``source``: its attributes of the same names, or those given."""
        names = (name for name in cls.__struct_fields__ if name not in given)
        return cls(**given, **{name: getattr(source, name) for name in names})


AnyShape = TypeVar("AnyShape", bound=Shape)


def about(text: str) -> Meta:
    """Describe a field in the OpenAPI document."""
    return Meta(description=text)


def some() -> Meta:
    """Describe a list that must not be empty: its reader says what is missing, in its own words."""
    return Meta(extra_json_schema={"minItems": 1})


def one_of(choices: type[Choices]) -> Meta:
    """Take a text only from a model's choices, and describe them in the OpenAPI document."""
    return Meta(
        pattern=f"^(?:{'|'.join(re.escape(value) for value in choices.values)})\\Z",
        extra_json_schema={
            "enum": list(choices.values),
            "description": "\n".join(f"* `{value}` - {label}" for value, label in choices.choices),
        },
    )


def read_shape(shape: type[AnyShape], values: Any) -> AnyShape:
    """Check a parsed request body. Raises ``InvalidInput`` naming the field."""
    try:
        return msgspec.convert(values, shape, strict=True)
    except msgspec.ValidationError as error:
        _refuse(shape, str(error))


def _refuse(shape: type[Shape], text: str) -> NoReturn:
    """Turn ``Expected `str`, got `int` - at `$.legs[0].id``` into the field ``legs.0.id``."""
    found = _PROBLEM.fullmatch(text)
    problem, path = (found["problem"], found["path"] or "") if found else (text, "")
    path = path.replace("[", ".").replace("]", "").lstrip(".")
    if named := _NAMED.fullmatch(problem):
        shown = re.sub(r"[^\w.-]", "?", named["name"], flags=re.ASCII)[:40] or "?"
        path = f"{path}.{shown}" if path else shown
        known = ", ".join(sorted(shape.__struct_encode_fields__))
        problem = "Missing." if named["what"] == "missing required" else "Not a field here."
        if problem != "Missing." and "." not in path:
            problem += f" Known: {known}."
    else:
        problem = _TYPE.sub(lambda type_: _WORDS[type_[0]], problem.replace("`", "")) + "."
    if not path:
        names, optional = shape.__struct_encode_fields__, len(shape.__struct_defaults__)
        required = names[: len(names) - optional]
        raise InvalidInput("Expected an object.", fields=dict.fromkeys(required[:1], "Missing."))
    raise invalid(path, problem)
