"""Read a page's query string. The page names each value it cannot use (``partials/unused.html``)
and shows its default instead."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from django.http import QueryDict

from config.core.api.parameters import QueryParameters, whole_number
from config.core.errors import InvalidInput

Value = TypeVar("Value")


class AddressValues:
    """The values of one address; blank ones count as absent."""

    def __init__(self, query: QueryDict) -> None:
        self._query = query
        self._unused: dict[str, str] = {}

    def text(self, name: str) -> str:
        return str(self._query.get(name, "")).strip()

    def read(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        """Return what ``parse`` makes of the value; ``None`` if absent or if it raises
        ``InvalidInput``."""
        text = self.text(name)
        if not text:
            return None
        try:
            return parse(text)
        except InvalidInput as error:
            self.refuse({name: error.fields.get(name, error.message)})
            return None

    def day(self, name: str) -> datetime.date | None:
        return self.read(
            name, lambda text: QueryParameters({name: text}, allowed={name}).date(name)
        )

    def number(self, name: str) -> int | None:
        """Return a whole number, such as an id."""
        text = self.text(name)
        found = whole_number(text)
        if text and found is None:
            self.refuse({name: "Expected a whole number."})
        return found

    def choice(self, name: str, choices: Collection[str], *, default: str = "") -> str:
        text = self.text(name)
        if text and text not in choices:
            self.refuse({name: f"Expected one of: {', '.join(choices)}."})
        return text if text in choices else default

    def refuse(self, problems: Mapping[str, str]) -> None:
        """Record what is wrong with a value; an empty ``problem`` drops it silently."""
        self._unused |= problems

    @property
    def unused(self) -> Collection[str]:
        """The names whose values the page does not use."""
        return self._unused.keys()

    @property
    def problem(self) -> str:
        """The page's notice about them; empty if all were used."""
        told = [f"{name}: {problem}" for name, problem in self._unused.items() if problem]
        return f"Not used from the address: {' '.join(told)}" if told else ""
