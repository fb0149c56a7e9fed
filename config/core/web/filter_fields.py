"""Fields of a page's filter: a form that changes the query string."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from config.core.web import formatting


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterField:
    """One field. ``choices`` are pairs of value and label; ``every`` is the label of no choice."""

    name: str
    label: str
    value: str = ""
    kind: Literal["text", "date", "choice"] = "text"
    choices: tuple[tuple[str, str], ...] = ()
    every: str | None = "All"
    longest: int = 32
    is_symbol: bool = False

    @property
    def told(self) -> str:
        """The choice in words; empty if there is none."""
        if not self.value:
            return ""
        if self.kind != "choice":
            return f"{self.label.lower()} {self.value}" if self.kind == "date" else self.value
        return next((label for value, label in self.choices if value == self.value), "")


def text_field(name: str, label: str, value: str | None, *, longest: int = 32) -> FilterField:
    return FilterField(name=name, label=label, value=value or "", longest=longest)


def symbol_field(name: str, label: str, value: str | None, *, longest: int = 32) -> FilterField:
    """Return a field for a ticker or currency: phones type it in capitals."""
    return FilterField(name=name, label=label, value=value or "", longest=longest, is_symbol=True)


def date_field(name: str, label: str, value: date | str | None) -> FilterField:
    return FilterField(name=name, label=label, value=str(value or ""), kind="date")


def choice_field(
    name: str,
    label: str,
    value: str | None,
    choices: Iterable[tuple[str, str]],
    *,
    every: str | None = "All",
) -> FilterField:
    """Return a drop-down; without ``every`` one value is always chosen."""
    return FilterField(
        name=name,
        label=label,
        value=value or "",
        kind="choice",
        choices=tuple((str(each), str(words)) for each, words in choices),
        every=every,
    )


def day_field(
    name: str, label: str, value: date | None, days: Iterable[date], *, every: str | None = "All"
) -> FilterField:
    """Return a drop-down of days."""
    choices = ((each.isoformat(), formatting.day(each) or "") for each in days)
    return choice_field(name, label, str(value or ""), choices, every=every)
