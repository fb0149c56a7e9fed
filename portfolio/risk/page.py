"""The risk page's data for one request. Each value is read only when used."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.forms import BaseFormSet
from django.http import HttpRequest, QueryDict

from config.core.api.address import AddressValues
from config.core.api.parameters import whole_number
from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import InvalidInput, NotFound
from portfolio.accounts.access import accounts_visible_to, portfolios_visible_to
from portfolio.models import Account, Portfolio
from portfolio.risk.book import RiskBook, Selection, read_risk_book, select_accounts
from portfolio.risk.report import check_benchmark, leg_body, report_of
from portfolio.risk.scenarios.axes import DEFAULT_AXES, Axes, parse_axes, parse_cell
from portfolio.risk.scenarios.grid import MOVES
from portfolio.risk.scenarios.grid_reading import grid_of
from portfolio.risk.scenarios.saved import (
    scenario_body,
    scenario_for_user,
    scenario_result,
    scenarios_of,
)
from portfolio.risk.what_if.forms import ScenarioForm, ShiftForm, Shifts, WhatIfForm
from portfolio.risk.what_if.run import what_if

AXES = ("spot", "vol", "days")
#: Where the session keeps the scenario that was run last, and what the address says to close it.
LAST_RUN = "risk_scenario"
CLOSED = "none"


class RiskPage:
    """The page of one user and one address. Blank parameters count as absent.

    Raises (also on reading an attribute):
        NotFound: the account, portfolio or scenario is not the user's, or does not exist.
        InvalidInput: the benchmark is not an available choice.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.user = request.user
        self._address = AddressValues(request.GET)
        self._move = self._address.choice("move", MOVES, default=MOVES[0])
        self._session = request.session
        self.account_id = self._asked("account_id")
        self.portfolio_id = self._number("portfolio")
        self._problems: dict[str, str] = {}
        self.scenario_problem = ""
        self.answer: dict[str, Any] | None = None
        self.clock: dict[str, Any] = {"now": market_now(), "frozen": market_clock_is_frozen()}

    def _asked(self, name: str) -> str | None:
        return self._address.text(name) or None

    @property
    def address(self) -> AddressValues:
        """What the page's parts have read of the address."""
        _ = self.day
        return self._address

    def _number(self, name: str) -> int | None:
        asked = self._asked(name)
        if asked is None:
            return None
        if (number := whole_number(asked)) is None:
            raise NotFound(f"No such {name}.", fields={name: "unknown"})
        return number

    @cached_property
    def account_choices(self) -> list[Account]:
        return list(accounts_visible_to(self.user).order_by("account_id"))

    @cached_property
    def portfolio_choices(self) -> list[Portfolio]:
        return list(portfolios_visible_to(self.user))

    @cached_property
    def _read(self) -> tuple[Selection, RiskBook]:
        """The book, read once for the whole page."""
        selection = select_accounts(
            user=self.user, account_id=self.account_id, portfolio_id=self.portfolio_id
        )
        book = read_risk_book(selection.accounts, benchmark=self._asked("benchmark"))
        check_benchmark(book)
        return selection, book

    @cached_property
    def report(self) -> dict[str, Any]:
        selection, book = self._read
        return report_of(book, selection)

    @property
    def benchmark(self) -> str:
        return self._read[1].weights.benchmark

    @property
    def net_liquidation(self) -> Decimal | None:
        return self._read[1].money("net_liquidation")

    @cached_property
    def _axes(self) -> Axes:
        """The requested axes; of an invalid one the default, and the problem is named."""
        usable: dict[str, str | None] = dict.fromkeys(AXES)
        for name in AXES:
            asked = self._asked(name)
            try:
                parse_axes(**(dict.fromkeys(AXES) | {name: asked}))
            except InvalidInput as error:
                self._problems |= error.fields
            else:
                usable[name] = asked
        return parse_axes(**usable)

    @cached_property
    def _cell(self) -> tuple[float, float, int] | None:
        asked = self._asked("cell")
        try:
            return parse_cell(asked) if asked else None
        except InvalidInput as error:
            self._problems |= error.fields
            return None

    @cached_property
    def grid(self) -> dict[str, Any]:
        """The scenarios over the requested axes, as far as they are valid."""
        try:
            return self._grid()
        except InvalidInput as error:
            self._problems |= error.fields
            self._axes = DEFAULT_AXES
            return self._grid()

    def _grid(self) -> dict[str, Any]:
        selection, book = self._read
        return grid_of(
            book, selection, axes=self._axes, move=self._move, cell=self._cell, day=self.day
        )

    @property
    def axis_problems(self) -> Mapping[str, str]:
        """What is wrong with the address, by the name of the axis."""
        return self.grid and self._problems

    @property
    def day(self) -> int:
        """The day shown: the requested one, else the chosen cell's, else the first."""
        days = self._axes.days
        asked = self._asked("day") or (f"{self._cell[2]:g}" if self._cell else "")
        found = next((day for day in days if asked == f"{day:g}"), None)
        if found is None and self._asked("day"):
            self._address.refuse({"day": "It is not among the days of the scenarios."})
        return days[0] if found is None else found

    @property
    def typed(self) -> Mapping[str, str]:
        """The fields of the axes: as typed, else as computed."""
        computed = self.grid["axes"]
        shown = {name: ", ".join(f"{step:g}" for step in computed[name]) for name in AXES}
        typed = {name: self._asked(name) or shown[name] for name in AXES}
        return typed | {"move": self._move}

    # --- What if ---
    @cached_property
    def what_if(self) -> WhatIfForm:
        return WhatIfForm(None, self._legs)

    @property
    def _legs(self) -> list[dict[str, Any]]:
        return [leg_body(leg) for leg in self._read[1].legs]

    def ask_what_if(self, typed: QueryDict) -> None:
        """Read the form and compute its answer; errors are marked in the form."""
        self.what_if = WhatIfForm(typed, self._legs)
        changes = self.what_if.changes()
        if changes is None:
            return
        try:
            self.answer = what_if(
                user=self.user,
                account_id=self.account_id,
                portfolio_id=self.portfolio_id,
                benchmark=self.benchmark,
                changes=changes,
            )
        except InvalidInput as error:
            self.what_if.refuse(error.message, error.fields)

    # --- Saved scenarios ---
    @cached_property
    def saved(self) -> list[dict[str, Any]]:
        return scenarios_of(self.user)

    @cached_property
    def ran(self) -> dict[str, Any] | None:
        """The scenario the address runs, else the one run last, with its result."""
        if self._asked("scenario") == CLOSED:
            self._session.pop(LAST_RUN, None)
        asked = None if self._asked("scenario") == CLOSED else self._number("scenario")
        scenario_id = self._session.get(LAST_RUN) if asked is None else asked
        if scenario_id is None:
            return None
        try:
            result = scenario_result(
                user=self.user,
                scenario_id=scenario_id,
                account_id=self.account_id,
                portfolio_id=self.portfolio_id,
            )
        except NotFound:
            if asked is not None:
                raise
            # Deleted meanwhile.
            del self._session[LAST_RUN]
            return None
        if self._session.get(LAST_RUN) != scenario_id:
            self._session[LAST_RUN] = scenario_id
        return result

    @cached_property
    def edited(self) -> dict[str, Any] | None:
        """The scenario the address opens for editing."""
        scenario_id = self._number("edit")
        if scenario_id is None:
            return None
        return scenario_body(scenario_for_user(self.user, scenario_id))

    @cached_property
    def scenario_form(self) -> ScenarioForm:
        return ScenarioForm(initial=self.edited or {})

    @cached_property
    def shifts(self) -> BaseFormSet[ShiftForm]:
        first = [{"underlying": "*"}]
        return Shifts(initial=self.edited["shifts"] if self.edited else first, prefix="shift")

    def type_scenario(self, typed: QueryDict) -> dict[str, Any] | None:
        """Return the typed scenario; ``None`` after marking its errors."""
        self.scenario_form = ScenarioForm(typed)
        # An emptied row is removed, even if it existed before.
        rows = typed.copy()
        rows["shift-INITIAL_FORMS"] = "0"
        self.shifts = Shifts(rows, prefix="shift")
        # Validate both, so that all errors are marked at once.
        if not all([self.scenario_form.is_valid(), self.shifts.is_valid()]):
            self.scenario_problem = "Some values are not valid: they are marked below."
            return None
        shifts = [form.shift() for form in self.shifts.forms if form.has_changed()]
        return self.scenario_form.cleaned_data | {"shifts": shifts}
