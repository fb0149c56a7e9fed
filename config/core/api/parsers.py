"""Request body parsers: unreadable input is the caller's error, never ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


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
            raise ParseError("JSON parse error - half of a surrogate pair in a text") from None
        return value
