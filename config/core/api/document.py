"""The API's documentation as pages, made from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

_WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false"}
_FORMATS = {"date-time": "time", "date": "day"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A value's type in words, one of which may name a shape on this page."""

    before: str
    shape: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a shape. ``place`` is path or query; empty for a field."""

    name: str
    kind: Kind
    is_required: bool
    about: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status and body."""

    status: str
    about: str
    kinds: Sequence[tuple[str, Kind]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str
    about: str
    is_public: bool
    parameters: Sequence[Field]
    body: Kind | None
    answers: Sequence[Answer]

    @property
    def kinds(self) -> Sequence[Kind]:
        """The types of the request and of every response."""
        answered = [kind for answer in self.answers for _, kind in answer.kinds]
        return [self.body, *answered] if self.body else answered


@dataclass(frozen=True, slots=True)
class Document:
    """Everything the pages show: operations by group, shapes by name."""

    groups: Mapping[str, Sequence[Operation]]
    shapes: Mapping[str, Sequence[Field]]

    def shapes_within(self, kinds: Iterable[Kind]) -> Mapping[str, Sequence[Field]]:
        """Return the shapes these types name, and the shapes nested in them."""
        found: dict[str, Sequence[Field]] = {}
        waiting = [kind.shape for kind in kinds]
        while waiting:
            name = waiting.pop(0)
            if name and name not in found:
                found[name] = self.shapes[name]
                waiting += [field.kind.shape for field in found[name]]
        return found


def read_document(schema: Mapping[str, Any]) -> Document:
    """Read an OpenAPI 3.0 document as drf-spectacular writes it."""
    components = schema["components"]["schemas"]
    groups: dict[str, list[Operation]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            group = groups.setdefault(operation["tags"][0].replace("-", " ").capitalize(), [])
            group.append(_operation(method.upper(), path, operation, components))
    return Document(
        groups,
        {
            name: tuple(_fields(shape, components))
            for name, shape in components.items()
            if "properties" in shape
        },
    )


def _operation(
    method: str, path: str, found: Mapping[str, Any], components: Mapping[str, Any]
) -> Operation:
    bodies = _kinds(found.get("requestBody", {}), components)
    return Operation(
        name=found["operationId"],
        method=method,
        path=path,
        about=found.get("description", ""),
        is_public=not found.get("security"),
        parameters=[
            Field(
                each["name"],
                _kind(each["schema"], components),
                each.get("required", False),
                each.get("description", ""),
                each["in"],
            )
            for each in found.get("parameters", ())
        ],
        body=bodies[0][1] if bodies else None,
        answers=[
            Answer(status, answer["description"], _kinds(answer, components))
            for status, answer in sorted(found["responses"].items())
        ],
    )


def _kinds(holder: Mapping[str, Any], components: Mapping[str, Any]) -> Sequence[tuple[str, Kind]]:
    """Return the type of each media type."""
    content = holder.get("content", {})
    return [
        (name, _kind(schema, components))
        for name, media in content.items()
        for schema in _alternatives(media["schema"], components)
    ]


def _alternatives(
    schema: Mapping[str, Any], components: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """Return the shapes a body can take."""
    target = components.get(schema.get("$ref", "").rpartition("/")[2], {})
    several: Sequence[Mapping[str, Any]] = target.get("oneOf", [schema])
    return several


def _fields(shape: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[Field]:
    required = shape.get("required", ())
    for name, each in shape["properties"].items():
        # The choices of an enumeration are its kind already.
        about = "" if "enum" in each else each.get("description", "")
        yield Field(name, _kind(each, components), name in required, about)


def _kind(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Kind:
    found = _bare_kind(schema, components)
    if not schema.get("nullable"):
        return found
    return Kind(found.before, found.shape, f"{found.after} or null")


def _bare_kind(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Kind:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = components[name]
        return Kind("", name) if "properties" in target else _kind(target, components)
    for several in ("allOf", "oneOf"):
        if several in schema:
            # An enumeration, or null, or both: they are told apart by their values.
            kinds = [_kind(each, components) for each in schema[several]]
            words = " or ".join(kind.before + kind.after for kind in kinds)
            return kinds[0] if len(kinds) == 1 else Kind(words)
    if "enum" in schema:
        return Kind(" or ".join("null" if each is None else str(each) for each in schema["enum"]))
    if schema.get("type") == "array":
        inner = _kind(schema["items"], components)
        return Kind(f"list of {inner.before}", inner.shape, inner.after)
    if schema.get("type") == "object":
        inner = _kind(schema.get("additionalProperties") or {}, components)
        return Kind(f"object, by name: {inner.before}", inner.shape, inner.after)
    kind = schema.get("type", "anything")
    words = _FORMATS.get(schema.get("format", "")) or _WORDS.get(kind, kind)
    return Kind(words + _bounds(schema))


def _bounds(schema: Mapping[str, Any]) -> str:
    """Return the limits of a value in words; empty without any."""
    low, high = schema.get("minimum"), schema.get("maximum")
    longest = schema.get("maxLength")
    texts = (
        "" if low is None else f"at least {low}",
        "" if high is None else f"at most {high}",
        "" if longest is None else f"at most {longest} characters",
    )
    said = ", ".join(text for text in texts if text)
    return f" ({said})" if said else ""


@lru_cache(maxsize=1)
def _document() -> Document:
    return read_document(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@require_safe
@login_required
@cache_control(private=True, no_cache=True)
def api_docs(request: HttpRequest) -> HttpResponse:
    """``GET /api/docs``: every operation on a line, and the rules they share."""
    document = _document()
    shapes = document.shapes_within([Kind("", "Problem")])
    return render(request, "system/api_docs.html", {"groups": document.groups, "shapes": shapes})


@require_safe
@login_required
@cache_control(private=True, no_cache=True)
def api_operation(request: HttpRequest, name: str) -> HttpResponse:
    """``GET /api/docs/<name>``: one operation with every shape it accepts and returns."""
    document = _document()
    for group, operations in document.groups.items():
        for one in operations:
            if one.name == name:
                shapes = document.shapes_within(one.kinds)
                context = {"one": one, "group": group, "shapes": shapes}
                return render(request, "system/api_operation.html", context)
    raise Http404(f"The API has no operation named {name}.")
