"""The same numbers before and after legs are added, changed or closed. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.clock import market_now
from portfolio.accounts.days import local_date
from portfolio.exposure.columns import ratio
from portfolio.risk.book import RiskBook, coming_dividends, read_risk_book, select_accounts
from portfolio.risk.legs import RiskLeg, row_of
from portfolio.risk.report import check_benchmark, leg_body, leg_row, ready_book, risk_columns
from portfolio.risk.scenarios.axes import DEFAULT_AXES
from portfolio.risk.scenarios.book import ScenarioBook
from portfolio.risk.scenarios.grid import extreme_cell, leg_pnl
from portfolio.risk.tables import vega_by_tenor
from portfolio.risk.value_at_risk import left_out_of_risk, value_at_risk
from portfolio.risk.what_if.changes import Added, Changed, parse_changes
from portfolio.risk.what_if.inputs import currencies_of, currency_of
from portfolio.risk.what_if.known_contracts import known_contracts
from portfolio.risk.what_if.legs import PricedLeg, more_of_held, price_added, resized

SCHEMA = 1
# The user may be where the date is still yesterday's.
_ZONES = timedelta(days=1)


def what_if(
    *,
    user: User | AnonymousUser,
    changes: Any,
    account_id: str | None = None,
    portfolio_id: int | None = None,
    benchmark: str | None = None,
) -> dict[str, Any]:
    """Compare totals, theta/net-liq, vega by tenor, worst cell and VaR before and after
    ``changes``.

    ``changes`` is a list of ``{"action": "add", "underlying", "instrument_type": "option"|"stock",
    "expiry"?, "strike"?, "right"?, "currency"?, "quantity", "price"?, "implied_volatility"?}``,
    ``{"action": "change", "position_id", "quantity"}`` or ``{"action": "close", "position_id"}``.
    Trades count as done at the marks, so net liquidation stays.

    Raises:
        InvalidInput: a change is invalid or cannot be priced from what is known; the field is named
            like ``changes.0.strike``.
        NotFound: the account or portfolio does not exist or is not the user's.
    """
    selection = select_accounts(user=user, account_id=account_id, portfolio_id=portfolio_id)
    book = read_risk_book(selection.accounts, benchmark=benchmark, also=_named_underlyings(changes))
    check_benchmark(book)
    held = {leg.id: leg for leg in book.legs}
    parsed = parse_changes(changes, today=(market_now() - _ZONES).date(), held=set(held))
    contracts = known_contracts(
        (one.underlying, one.expiry)
        for one in parsed
        if isinstance(one, Added) and one.expiry is not None
    )
    account = selection.accounts[0] if selection.accounts else None
    today = local_date(account, book.at) if account else book.at.date()
    added: list[PricedLeg] = []
    quantities: dict[str, float] = {}
    for index, one in enumerate(parsed):
        if isinstance(one, Changed):
            quantities[one.position_id] = one.quantity
        else:
            where: dict[str, Any] = {
                "path": f"changes.{index}",
                "account_id": account.account_id if account else "",
            }
            added.append(
                more_of_held(one, contracts, book=book, **where)
                or price_added(one, contracts=contracts, book=book, today=today, **where)
            )
    changed = [resized(held[name], quantity) for name, quantity in quantities.items()]
    kept = [leg for leg in book.legs if leg.id not in quantities]
    legs = (*kept, *(leg for leg in changed if leg.leg.quantity), *(one.leg for one in added))
    after = replace(book, legs=legs, dividends=coming_dividends(legs))
    before_numbers, after_numbers = numbers_of(book), numbers_of(after)
    return {
        "schema": SCHEMA,
        "version": selection.version,
        "as_of": selection.as_of,
        "currency": book.currency,
        "before": before_numbers,
        "after": after_numbers,
        "difference": difference(before_numbers, after_numbers),
        "legs": _changed_legs(book, changed, added),
        "notes": [*_notes(after, changed, added), *_currency_notes(parsed, book)],
    }


def numbers_of(book: RiskBook) -> dict[str, Any]:
    """Return what is compared: the whole book's ``Row`` and related figures."""
    columns, lacking = risk_columns(book)
    row = row_of(columns, lacking)
    net_liquidation = book.money("net_liquidation")
    ready = ready_book(book)
    at_risk = value_at_risk(legs=book.legs, columns=columns, ready=ready, closes=book.closes)
    return row | {
        "net_liquidation": net_liquidation,
        "theta_to_net_liq": ratio(row["theta"], net_liquidation),
        "vega_by_tenor": vega_by_tenor(book.legs, columns),
        "worst": _worst(book, ready),
        "value_at_risk": {"parametric": at_risk["parametric"], "scenario": at_risk["scenario"]},
    }


def _worst(book: RiskBook, ready: ScenarioBook) -> dict[str, Any] | None:
    """Return the default grid's worst cell without its legs; ``None`` if no leg has a value."""
    axes = DEFAULT_AXES
    if ready.is_blank:
        return None
    totals = leg_pnl(ready, axes, weights=book.weights).sum(axis=-1)
    day, vol, spot = at = extreme_cell(totals, worst=True)
    part = ratio(float(totals[at]), book.money("net_liquidation"))
    return {
        "spot": axes.spot[spot],
        "vol": axes.vol[vol],
        "days": axes.days[day],
        "pnl": float(totals[at]),
        "pnl_percent_of_net_liq": None if part is None else part * 100.0,
    }


def difference(before: Any, after: Any) -> Any:
    """Return after − before for every number, in the same shape; ``None`` if either is missing.

    Labels (tenors, the worst cell's place, confidences) are taken from ``after``.
    """
    if before is None or after is None:
        return None
    if isinstance(after, Mapping):
        return {
            name: value if name in _PLACES else difference(before[name], value)
            for name, value in after.items()
        }
    if isinstance(after, Sequence):
        return [difference(old, new) for old, new in zip(before, after, strict=True)]
    return after - before


_PLACES = frozenset({"tenor", "from_days", "to_days", "spot", "vol", "days", "confidence"})


def _changed_legs(
    book: RiskBook, changed: Sequence[RiskLeg], added: Sequence[PricedLeg]
) -> list[dict[str, Any]]:
    legs = (*changed, *(one.leg for one in added))
    sources: list[tuple[str | None, str | None]] = [
        *(("position", "position" if leg.is_option else None) for leg in changed),
        *((one.price_source, one.iv_source) for one in added),
    ]
    columns, lacking = risk_columns(replace(book, legs=legs))
    return [
        leg_body(leg)
        | leg_row(columns, lacking, index)
        | {"price_source": sources[index][0], "iv_source": sources[index][1]}
        for index, leg in enumerate(legs)
    ]


def _notes(after: RiskBook, changed: Sequence[RiskLeg], added: Sequence[PricedLeg]) -> list[str]:
    notes = [
        "Trades are assumed done at the prices shown, without commissions; net liquidation and "
        "margin are those of the last sync."
    ]
    if any(one.iv_source == "nearest_strike" for one in added):
        notes.append("Where no volatility of a contract is known, the nearest strike's is taken.")
    if any(one.leg.model == "american" and not one.fitted for one in added):
        notes.append("Greeks of added legs are the model's, without the dividends of their expiry.")
    unpriced = [leg.symbol for leg in changed if leg.leg.price is None]
    if unpriced:
        notes.append("Without a price: " + ", ".join(unpriced) + ".")
    unrisked = left_out_of_risk(after.closes, after.legs)
    if unrisked:
        notes.append("Value at risk leaves out (too little history): " + ", ".join(unrisked) + ".")
    if after.unconverted:
        notes.append("Not converted: " + ", ".join(after.unconverted) + ".")
    return notes


def _currency_notes(parsed: Sequence[Added | Changed], book: RiskBook) -> list[str]:
    notes = []
    for one in parsed:
        if isinstance(one, Added) and not one.currency:
            known = sorted(currencies_of(one, book))
            if len(known) > 1:
                notes.append(
                    f"{one.underlying} is known in {' and '.join(known)}: "
                    f"{currency_of(one, book)} is meant unless a currency is named."
                )
    return list(dict.fromkeys(notes))


def _named_underlyings(changes: Any) -> set[str]:
    """Return symbols whose prices may be needed, from unchecked changes."""
    if not isinstance(changes, Sequence) or isinstance(changes, str | bytes):
        return set()
    rows = [row for row in changes[:200] if isinstance(row, Mapping)]
    named = {str(row.get("underlying", "")).strip().upper()[:32] for row in rows}
    return {name for name in named if name and name.isprintable()}
