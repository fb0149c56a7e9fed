"""The page's data: nine sections, what changed overnight and what needs a decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from config.core.limited_calls import LimitedCalls, TimeLimitReached, Work
from portfolio.amounts import ENCODER
from portfolio.dashboard.decisions import Decision, read_decisions
from portfolio.dashboard.reading import Asked, Dashboard, read_dashboard, words_of
from portfolio.dashboard.sections import SECTIONS, section_named
from portfolio.models import Position
from portfolio.risk_monitor.body import RiskMonitor, accounts_for_risk, risk_monitor_of

#: What a page waits for before it is sent; the script asks for what is late.
FIRST_SECONDS = 1.0
MOST_SECONDS = 5.0
MOVERS = 6
TITLES = {
    "positions": "Positions",
    "shadow_positions": "Shadow positions",
    "health": "Health of the desk",
    "exit_signals": "Exit signals",
    "queued_signals": "Queued signals",
    "source_performance": "Sources of signals",
    "gex": "Gamma exposure",
    "pnl_curve": "Profit and loss",
    "daily_returns": "Daily returns",
}
#: Parts that the page makes of the book, beside the sections.
OF_THE_BOOK = ("overnight", "decisions")
PARTS: Mapping[str, Sequence[str]] = {
    name: (f"dashboard/{name}.html",) for name in (*OF_THE_BOOK, *SECTIONS)
}
_limited = LimitedCalls("dashboard-page", most=2)


@dataclass(frozen=True, slots=True)
class Section:
    """One section as its template shows it. ``is_late``: the script asks for it again."""

    name: str
    title: str
    body: Any
    cache: Any
    problem: str
    is_late: bool
    curve: str


@dataclass(frozen=True, slots=True)
class Overnight:
    """The book against its previous close."""

    monitor: RiskMonitor
    movers: Sequence[Mapping[str, Any]]


class DashboardPage:
    """The page, or the parts of it that are named."""

    def __init__(self, asked: Asked, parts: Collection[str]) -> None:
        self._asked = asked
        self._parts = parts
        self._seconds = MOST_SECONDS if len(parts) < len(PARTS) else FIRST_SECONDS

    @cached_property
    def dashboard(self) -> Dashboard:
        return read_dashboard(
            self._asked,
            sections=[name for name in SECTIONS if name in self._parts],
            seconds=self._seconds,
        )

    @cached_property
    def sections(self) -> Mapping[str, Section]:
        """Return the sections by name, in the page's order."""
        return {name: self._section(name) for name in SECTIONS if name in self._parts}

    @property
    def exits(self) -> list[tuple[Any, str]]:
        """Return the exit signals, each with the symbol of its position; empty if that is gone."""
        found = self.sections["exit_signals"].body or []
        held = Position.objects.filter(pk__in=[each.position_id for each in found])
        symbols = {str(pk): symbol for pk, symbol in held.values_list("pk", "symbol")}
        return [(each, symbols.get(each.position_id, "")) for each in found]

    @property
    def pnl_url(self) -> str:
        """Return the address of the curve's data."""
        return section_named("pnl_curve").path

    @property
    def returns_url(self) -> str:
        return section_named("daily_returns").path

    @cached_property
    def overnight(self) -> Section:
        return self._of_the_book("overnight", "Since the open", _overnight)

    @cached_property
    def decisions(self) -> Section:
        return self._of_the_book("decisions", "Needs a decision", _decisions)

    def _section(self, name: str) -> Section:
        answer = self.dashboard.sections.get(name)
        body = answer.body if answer else None
        problem = self.dashboard.errors.get(name, "")
        if answer is None and not problem:
            problem = "Nothing provides this section."
        return Section(
            name,
            TITLES[name],
            body,
            answer.cache if answer else None,
            problem,
            is_late=name in self.dashboard.late,
            curve=ENCODER.encode(body).decode() if name in ("pnl_curve", "daily_returns") else "",
        )

    def _of_the_book(self, name: str, title: str, read: Any) -> Section:
        work = Work(partial(read, self._asked), self._seconds)
        outcome = _limited({name: work})[name]
        if isinstance(outcome, BaseException):
            late = isinstance(outcome, TimeLimitReached)
            return Section(name, title, None, None, words_of(name, outcome), late, "")
        return Section(name, title, outcome, None, "", is_late=False, curve="")


def _overnight(asked: Asked) -> Overnight:
    monitor = risk_monitor_of(accounts_for_risk(user=asked.user, account_id=asked.account_id))
    groups = [
        each
        for each in monitor.book.totals["by_underlying"]
        if each["daily_change"] is not None and each["daily_change"] != 0
    ]
    movers = sorted(groups, key=lambda each: abs(each["daily_change"]), reverse=True)[:MOVERS]
    return Overnight(monitor, movers)


def _decisions(asked: Asked) -> list[Decision]:
    return read_decisions(accounts_for_risk(user=asked.user, account_id=asked.account_id))
