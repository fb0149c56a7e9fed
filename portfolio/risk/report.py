"""The risk report: per leg, underlying, expiry, account and portfolio, and the whole book."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.clock import now
from config.core.errors import InvalidInput
from portfolio.betas.reading import benchmarks_in_use
from portfolio.exposure.columns import (
    ROW_COLUMNS,
    FloatArray,
    Mask,
    book_spots,
    convert,
    leg_columns,
    leg_spots,
    ratio,
    without_greeks,
)
from portfolio.risk.book import RiskBook, Selection, read_risk_book, select_accounts
from portfolio.risk.legs import RiskLeg, row_of
from portfolio.risk.scenarios.book import LeftOut, ScenarioBook, scenario_book
from portfolio.risk.scenarios.grid import without_beta
from portfolio.risk.tables import (
    concentration,
    expected_moves,
    gamma_near_expiry,
    groups,
    vega_by_tenor,
)
from portfolio.risk.value_at_risk import value_at_risk

SCHEMA = 1


def risk_report(
    *,
    user: User | AnonymousUser,
    account_id: str | None = None,
    portfolio_id: int | None = None,
    benchmark: str | None = None,
) -> dict[str, Any]:
    """Return the risk report of all the user may see, of one account or of one portfolio.

    Raises:
        InvalidInput: unknown benchmark, or both account and portfolio are given.
        NotFound: the account or portfolio does not exist or is not the user's.
    """
    selection = select_accounts(user=user, account_id=account_id, portfolio_id=portfolio_id)
    book = read_risk_book(selection.accounts, benchmark=benchmark)
    check_benchmark(book)
    return report_of(book, selection)


def benchmark_choices(book: RiskBook) -> list[str]:
    """Return the configured benchmark, the common ones, and the reader's own holdings."""
    held = sorted({leg.leg.history_name for leg in book.legs})
    return list(dict.fromkeys((*benchmarks_in_use(), *held)))


def check_benchmark(book: RiskBook) -> None:
    """Raise ``InvalidInput`` with the choices if the book's benchmark is not one of them."""
    choices = benchmark_choices(book)
    if book.weights.benchmark not in choices:
        raise InvalidInput(
            "benchmark: not an available choice.",
            fields={"benchmark": "Expected one of: " + ", ".join(choices) + "."},
        )


def report_of(book: RiskBook, selection: Selection) -> dict[str, Any]:
    """Return the body of ``/api/portfolio/risk`` as Python values. No query."""
    legs = book.legs
    spots = leg_spots(book.plain, spots=book.spots)
    columns, lacking = risk_columns(book)
    at = now()
    price = book.benchmark_price
    return {
        "schema": SCHEMA,
        "version": selection.version,
        "as_of": selection.as_of,
        "currency": book.currency,
        "simulated": any(account.simulated for account in selection.accounts),
        "stale": any(account.is_stale(at=at) for account in selection.accounts),
        "unconverted": book.unconverted,
        "benchmark": {
            "symbol": book.weights.benchmark,
            "price": book.weights.price,
            "price_as_of": price.as_of if price else None,
            "choices": benchmark_choices(book),
        },
        **_rows_of_accounts(book, selection, columns, lacking),
        "underlyings": _underlyings(book, columns, lacking, spots),
        "expiries": [
            {"expiry": expiry, "dte": legs[int(chosen[0])].leg.dte} | row
            for expiry, row, chosen in groups(
                legs, columns, lacking, key=lambda leg: leg.leg.expiry
            )
        ],
        "legs": [
            leg_body(leg) | leg_row(columns, lacking, index) for index, leg in enumerate(legs)
        ],
        "vega_by_tenor": vega_by_tenor(legs, columns),
        "concentration": concentration(legs, columns),
        "gamma_near_expiry": gamma_near_expiry(legs, columns),
        "expected_move": expected_moves(legs, spots, at=book.at),
        "value_at_risk": value_at_risk(
            legs=legs, columns=columns, ready=ready_book(book), closes=book.closes
        ),
    }


def risk_columns(book: RiskBook) -> tuple[dict[str, FloatArray], Mask]:
    """Return the legs' columns in the book's currency, and which options lack Greeks."""
    legs = book.plain
    raw = leg_columns(legs, spots=book.spots)
    columns = convert(raw, legs, currency=book.currency, rates=book.rates, weights=book.weights)
    return columns, without_greeks(legs, raw)


def ready_book(book: RiskBook, *, move: str = "uniform") -> ScenarioBook:
    """Prepare the book for revaluation; for beta-weighted moves, without legs that have no beta."""
    legs, left_out = book.legs, list[LeftOut]()
    if move == "beta":
        left_out = without_beta(book.legs, book.weights)
        lacking = {each.leg.id for each in left_out}
        legs = tuple(leg for leg in legs if leg.id not in lacking)
    ready = scenario_book(
        legs,
        currency=book.currency,
        rates=book.rates,
        spots=book.spots,
        dividends=book.dividends,
        at=book.at,
    )
    return replace(ready, left_out=(*ready.left_out, *left_out))


def leg_body(leg: RiskLeg) -> dict[str, Any]:
    """Return the fields that identify a leg in the API."""
    return {
        "id": leg.id,
        "symbol": leg.symbol,
        "account_id": leg.account_id,
        "underlying": leg.leg.underlying,
        "expiry": leg.leg.expiry,
        "strike": leg.strike,
        "right": leg.right or None,
        "quantity": leg.leg.quantity,
        "multiplier": leg.leg.multiplier,
        "price_currency": leg.leg.currency,
        "price": leg.leg.price,
        "iv": leg.implied_volatility,
        "model": leg.model,
        "greeks_source": leg.greeks_source,
    }


def leg_row(columns: dict[str, FloatArray], lacking: Mask, index: int) -> dict[str, Any]:
    """Return the ``Row`` of one leg."""
    row: dict[str, Any] = {}
    for name in ROW_COLUMNS:
        value = float(columns[name][index])
        row[name] = None if np.isnan(value) else value
    return row | {
        "legs": 1,
        "legs_without_greeks": int(lacking[index]),
        "legs_without_beta": int(np.isnan(columns["beta"][index])),
    }


def _rows_of_accounts(
    book: RiskBook, selection: Selection, columns: dict[str, FloatArray], lacking: Mask
) -> dict[str, Any]:
    """Return the rows of all accounts, of each, and of each portfolio."""
    owners = np.array([leg.account_id for leg in book.legs])

    def row(members: list[str]) -> dict[str, Any]:
        sums = row_of(columns, lacking, np.isin(owners, members))
        net_liquidation = book.money("net_liquidation", members)
        maint_margin = book.money("maint_margin", members)
        return {
            "net_liquidation": net_liquidation,
            "maint_margin": maint_margin,
            "margin_use": ratio(maint_margin, net_liquidation),
            "theta_to_net_liq": ratio(sums["theta"], net_liquidation),
        } | sums

    return {
        "totals": row(list(book.accounts)),
        "accounts": [
            {"account_id": each.account_id, "label": each.label or each.account_id}
            | row([each.account_id])
            for each in selection.accounts
        ],
        # Prefetched, only accounts the user may see.
        "portfolios": [
            {"id": str(each.pk), "name": each.name}
            | row([account.pk for account in each.accounts.all() if account.pk in book.accounts])
            for each in selection.portfolios
        ],
    }


def _underlyings(
    book: RiskBook, columns: dict[str, FloatArray], lacking: Mask, spots: FloatArray
) -> list[dict[str, Any]]:
    rows = []
    known = book_spots(book.plain, book.spots)
    for underlying, row, chosen in groups(
        book.legs, columns, lacking, key=lambda leg: leg.leg.history_name
    ):
        mine = [book.legs[index].leg for index in chosen]
        prices = {
            leg.underlying_key: float(spot)
            for leg, spot in zip(mine, spots[chosen], strict=True)
            if not np.isnan(spot)
        } | {key: known[key] for leg in mine if (key := leg.underlying_key) in known}
        beta = book.betas.get(underlying)
        rows.append(
            {
                "underlying": underlying,
                # Of several months of a future there is no one price.
                "spot": next(iter(prices.values())) if len(prices) == 1 else None,
                "beta": beta.value if beta else None,
                "beta_source": beta.source if beta else None,
                "beta_as_of": beta.as_of if beta else None,
                "beta_observations": beta.observations if beta else None,
            }
            | row
        )
    return rows
