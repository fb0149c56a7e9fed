"""The scenario grid of a user's accounts: spot × volatility × days by full revaluation."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from portfolio.risk.book import RiskBook, Selection, read_risk_book, select_accounts
from portfolio.risk.report import check_benchmark, ready_book
from portfolio.risk.scenarios.axes import DEFAULT_AXES, Axes
from portfolio.risk.scenarios.book import ScenarioBook
from portfolio.risk.scenarios.grid import (
    american_error,
    cell_body,
    extreme_cell,
    left_out_body,
    leg_pnl,
)

SCHEMA = 1
Cell = tuple[float, float, int]


def scenario_grid(
    *,
    user: User | AnonymousUser,
    account_id: str | None = None,
    portfolio_id: int | None = None,
    axes: Axes = DEFAULT_AXES,
    move: str = "uniform",
    benchmark: str | None = None,
    cell: Cell | None = None,
) -> dict[str, Any]:
    """Return the grid of all the user may see, of one account or of one portfolio.

    ``move="beta"`` moves each underlying by its beta times the axis, which is the benchmark's.
    ``cell`` (spot, vol, days) is returned with its legs, whether or not it is on the axes.

    Raises:
        InvalidInput: unknown benchmark, or a grid too large for the book.
        NotFound: the account or portfolio does not exist or is not the user's.
    """
    selection = select_accounts(user=user, account_id=account_id, portfolio_id=portfolio_id)
    book = read_risk_book(selection.accounts, benchmark=benchmark, with_closes=move == "beta")
    check_benchmark(book)
    return grid_of(book, selection, axes=axes, move=move, cell=cell)


def grid_of(
    book: RiskBook,
    selection: Selection,
    *,
    axes: Axes = DEFAULT_AXES,
    move: str = "uniform",
    cell: Cell | None = None,
    day: int | None = None,
) -> dict[str, Any]:
    """Return the body of ``/api/portfolio/scenarios`` as Python values. No query.

    ``day``, one of the axis, adds that day's worst cell as ``worst_of_day``.
    """
    ready = ready_book(book, move=move)
    by_leg = leg_pnl(ready, axes, move=move, weights=book.weights)
    totals = by_leg.sum(axis=-1)
    net_liquidation = book.money("net_liquidation")

    def extreme(*, worst: bool, first: int = 0, last: int | None = None) -> dict[str, Any] | None:
        if ready.is_blank:
            return None
        step, vol, spot = extreme_cell(totals[first:last], worst=worst)
        return cell_body(
            ready,
            by_leg[first + step, vol, spot],
            (axes.spot[spot], axes.vol[vol], axes.days[first + step]),
            net_liquidation=net_liquidation,
        )

    of_day = {}
    if day is not None:
        place = axes.days.index(day)
        of_day = {"worst_of_day": extreme(worst=True, first=place, last=place + 1)}
    return of_day | {
        "schema": SCHEMA,
        "version": selection.version,
        "as_of": selection.as_of,
        "currency": book.currency,
        "move": move,
        "benchmark": book.weights.benchmark if move == "beta" else None,
        "axes": axes.body(),
        "base_value": float(ready.base_values.sum()),
        "pnl": totals.tolist(),
        "worst": extreme(worst=True),
        "best": extreme(worst=False),
        "cell": None if cell is None or ready.is_blank else _one_cell(ready, book, cell, move=move),
        "left_out": left_out_body(ready.left_out),
        "models": ready.models(),
        "american_error": american_error(ready),
        "unconverted": book.unconverted,
    }


def _one_cell(ready: ScenarioBook, book: RiskBook, cell: Cell, *, move: str) -> dict[str, Any]:
    spot, vol, days = cell
    one = Axes(spot=(spot,), vol=(vol,), days=(days,))
    by_leg = leg_pnl(ready, one, move=move, weights=book.weights)
    return cell_body(ready, by_leg[0, 0, 0], cell, net_liquidation=book.money("net_liquidation"))
