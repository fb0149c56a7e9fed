"""Describe a ``Shape``, and the failures of each operation, in the OpenAPI 3.0 document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.plumbing import ResolvedComponent, build_choice_description_list
from msgspec import inspect

from config.core.api.shapes import Shape

_COMPONENTS = "#/components/schemas/"
_DROPPED = {
    "title", "default", "anyOf", "$ref", "description",
}  # fmt: skip


class ShapeExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    target_class = Shape
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return str(self.target.__name__)

    def get_identity(self, auto_schema: Any, direction: Any) -> Any:
        return self.target

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        _, schemas = msgspec.json.schema_components(
            [self.target], ref_template=_COMPONENTS + "{name}"
        )
        classes: dict[str, type] = {}
        _collect(inspect.type_info(self.target), classes)
        for name, cls in classes.items():
            if cls is not self.target:
                auto_schema.registry.register_on_missing(
                    ResolvedComponent(  # type: ignore[no-untyped-call]
                        name=name,
                        type=ResolvedComponent.SCHEMA,
                        object=cls,
                        schema=_openapi(schemas[name]),
                    )
                )
        found: dict[str, Any] = _openapi(schemas[self.target.__name__])
        return found


def _collect(info: Any, classes: dict[str, type]) -> None:
    """Gather the shapes that a type is made of, by name."""
    if isinstance(info, inspect.StructType):
        classes[info.cls.__name__] = info.cls
    below = [getattr(info, name, None) for name in ("type", "item_type", "value_type")]
    below += [*getattr(info, "types", ()), *(each.type for each in getattr(info, "fields", ()))]
    for each in below:
        if isinstance(each, inspect.Type):
            _collect(each, classes)


def _enum(schema: dict[str, Any]) -> dict[str, Any]:
    """Return values with labels, in the form from which drf-spectacular makes enum components."""
    values = schema["enum"]
    labels = [(value, value) for value in values if value is not None]
    return {
        "type": "string",
        "enum": values,
        "description": schema.get("description") or build_choice_description_list(labels),
    }


def _openapi(schema: dict[str, Any]) -> dict[str, Any]:
    """Write JSON Schema as OpenAPI 3.0: null and "exclusive" are flags, a ``$ref`` stands alone."""
    found = {name: value for name, value in schema.items() if name not in _DROPPED}
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in found:
            found |= {bound: found[exclusive], exclusive: True}
    about = {"description": schema["description"]} if "description" in schema else {}
    if found.get("type") == "object" and "properties" in found:
        # The class's docstring is for us; every field of a shape is listed.
        found["properties"] = {name: _openapi(each) for name, each in found["properties"].items()}
        found["required"] = sorted(found["required"])
        if not found["required"]:
            del found["required"]
        return found
    if found.get("type") == "object":
        found["additionalProperties"] = _openapi(schema.get("additionalProperties") or {})
    if "items" in found:
        found["items"] = _openapi(found["items"])
    if "enum" in schema:
        return _enum(schema)
    if "anyOf" in schema:
        # A missing value is the only alternative that bodies have.
        (inner,) = [each for each in schema["anyOf"] if each != {"type": "null"}]
        found |= _openapi(inner)
        found["nullable"] = True
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
        if "$ref" in found:
            found["allOf"] = [{"$ref": found.pop("$ref")}]
    if "$ref" in schema:
        found |= {"allOf": [{"$ref": schema["$ref"]}]} if about else {"$ref": schema["$ref"]}
    return found | about


# --- Failures ------------------------------------------------------------------------------------
#: Query parameters that name something stored.
_NAMING = frozenset({"account_id", "portfolio", "slug", "instrument_key", "expiry", "date"})
_REASONS = {
    "400": "A parameter, header or field is missing, unknown or invalid; the body names it.",
    "401": "No log-in and no token, or one that is not valid.",
    "403": "The token's scope does not allow this, or a session's CSRF token is missing.",
    "404": "What is named does not exist, or is not yours.",
    "409": "It contradicts what is stored, or the Idempotency-Key belongs to another request.",
    "413": "The body is larger than is read here.",
    "415": "The body is not application/json.",
    "429": "Too many requests: Retry-After says how long to wait.",
    "503": "The database or the data is not there now.",
}


class Failure(Shape):
    """What went wrong."""

    code: str
    message: str
    request_id: str
    fields: dict[str, str] | None = None


class Problem(Shape):
    """The body of every failure."""

    error: Failure


def describe_failures(result: dict[str, Any], generator: Any, **named: Any) -> dict[str, Any]:
    """Give each operation its group and its failures; drf-spectacular's hook."""
    _, schemas = msgspec.json.schema_components([Problem], ref_template=_COMPONENTS + "{name}")
    components = result["components"]["schemas"]
    components |= {name: _openapi(schema) for name, schema in schemas.items()}
    content = {"application/json": {"schema": {"$ref": _COMPONENTS + "Problem"}}}
    for path, methods in result["paths"].items():
        rooms = [part for part in path.split("/") if part not in ("", "api")]
        for method, operation in methods.items():
            operation["tags"] = ["alerts" if "alerts" in rooms else rooms[0]]
            for status in _failures(method, operation):
                failure = {"description": _REASONS[status], "content": content}
                operation["responses"].setdefault(status, failure)
    return result


def _failures(method: str, operation: Mapping[str, Any]) -> set[str]:
    found = {"400", "429", "503"}
    if operation.get("security"):
        found |= {"401", "403"}
    parameters = operation.get("parameters", ())
    if any(each["in"] == "path" or each["name"] in _NAMING for each in parameters):
        found.add("404")
    if method in ("post", "put"):
        found |= {"404", "409", "413", "415"}
    return found
