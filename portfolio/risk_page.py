"""What the risk page shows for one request: each value is read when something asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.http import HttpRequest

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import InvalidInput, NotFound
from portfolio.models import Account, Portfolio
from portfolio.selectors.access import accounts_visible_to, portfolios_visible_to
from portfolio.selectors.risk_report import risk_report
from portfolio.selectors.scenario_grid import scenario_grid
from portfolio.services.scenario_axes import parse_axes, parse_cell

AXES = ("spot", "vol", "days")


class RiskPage:
    """The page of one user and one address. Blank parameters count as absent.

    Raises (also on reading an attribute):
        NotFound: the account, portfolio or scenario is not the user's, or does not exist.
        InvalidInput: the benchmark is none of those offered.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.user = request.user
        self._query = request.GET
        self.account_id = self._asked("account_id")
        self.portfolio_id = self._number("portfolio")
        self.benchmark = self._asked("benchmark")
        self.grid_problem = ""
        self.clock = {"now": market_now(), "frozen": market_clock_is_frozen()}

    def _asked(self, name: str) -> str | None:
        return self._query.get(name, "").strip() or None

    def _number(self, name: str) -> int | None:
        asked = self._asked(name)
        if asked is None:
            return None
        if not (asked.isascii() and asked.isdigit() and len(asked) < 18):
            raise NotFound(f"No such {name}.", fields={name: "unknown"})
        return int(asked)

    @cached_property
    def account_choices(self) -> list[Account]:
        return list(accounts_visible_to(self.user).order_by("account_id"))

    @cached_property
    def portfolio_choices(self) -> list[Portfolio]:
        return list(portfolios_visible_to(self.user))

    @cached_property
    def report(self) -> dict[str, Any]:
        return risk_report(
            user=self.user,
            account_id=self.account_id,
            portfolio_id=self.portfolio_id,
            benchmark=self.benchmark,
        )

    @property
    def currency(self) -> str:
        return str(self.report["currency"])

    @cached_property
    def grid(self) -> dict[str, Any] | None:
        """The scenarios over the axes asked for; ``None`` where those are impossible."""
        asked = {name: self._asked(name) for name in AXES}
        cell = self._asked("cell")
        try:
            return scenario_grid(
                user=self.user,
                account_id=self.account_id,
                portfolio_id=self.portfolio_id,
                benchmark=self.benchmark,
                axes=parse_axes(**asked),
                move="beta" if self._asked("move") == "beta" else "uniform",
                cell=parse_cell(cell) if cell else None,
            )
        except InvalidInput as error:
            self.grid_problem = error.message
            return None

    @property
    def day(self) -> int | None:
        """The day whose plane is shown: the one asked for, else the first."""
        days = self.grid["axes"]["days"] if self.grid else []
        asked = self._asked("day")
        return next((day for day in days if asked == f"{day:g}"), days[0] if days else None)

    @property
    def typed(self) -> Mapping[str, str]:
        """The fields of the axes: as typed, else as computed."""
        computed = self.grid["axes"] if self.grid else {}
        shown = {name: ", ".join(f"{step:g}" for step in computed.get(name, ())) for name in AXES}
        typed = {name: self._asked(name) or shown[name] for name in AXES}
        return typed | {"move": self._asked("move") or "uniform"}
