"""Request body parsers: unreadable input is the caller's error, never ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from config.core.errors import invalid


class DeskJSONParser(JSONParser):
    """JSON; nesting too deep for Python's stack and text that is no Unicode are parse errors."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            value = super().parse(stream, media_type, parser_context)
            # Half a pair ("\ud800") is valid JSON, but no database and no answer can hold it.
            json.dumps(value, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        except UnicodeEncodeError:
            name = ".".join(_place_of_half_pair(value)) or "body"
            problem = "Half of a surrogate pair is no text."
            raise invalid(name, problem) from None
        return value


def _place_of_half_pair(value: Any) -> list[str]:
    """Return the names and places that lead to the first text that is no Unicode."""
    places = enumerate(value) if isinstance(value, list) else ()
    for place, each in value.items() if isinstance(value, dict) else places:
        if _is_half(place) or _is_half(json.dumps(each, ensure_ascii=False)):
            # A name that is none cannot be repeated in an answer.
            return [] if _is_half(place) else [str(place), *_place_of_half_pair(each)]
    return []


def _is_half(text: object) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in str(text))
