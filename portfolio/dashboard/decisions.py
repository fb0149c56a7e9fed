"""What a book needs decided in the morning: what expires soon, and what may be assigned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from config.core.clock import market_now
from config.core.web import formatting
from greeks.domain import ExerciseStyle
from greeks.pricing.dividends import known_dividends
from greeks.underlyings import share_key
from portfolio.accounts.days import local_date
from portfolio.amounts import as_float
from portfolio.exposure.columns import OPTION_KINDS
from portfolio.models import Account, Position

SOON_DAYS = 7
#: A holder gives up little by exercising if no more than this share of the spot is time value.
LITTLE_OF_SPOT = 0.001
LEAST_TIME_VALUE = 0.05
_COLUMNS = (
    "id", "account_id", "symbol", "underlying", "instrument_type", "right", "strike", "expiry",
    "quantity", "currency", "price", "underlying_price", "price_as_of", "source",
    "instrument__exercise_style", "instrument__is_adjusted",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """A held option, and what it is worth on top of its intrinsic value.

    ``in_the_money`` and ``time_value`` are per unit of the underlying; ``None`` where a price is
    missing, or where the contract delivers something else than its underlying.
    """

    id: str
    account_id: str
    symbol: str
    underlying: str
    currency: str
    right: str
    strike: float
    expiry: date
    dte: int
    quantity: float
    is_american: bool
    spot: float | None
    in_the_money: float | None
    time_value: float | None
    as_of: Any
    source: str


@dataclass(frozen=True, slots=True)
class Decision:
    """An option that needs a decision, and why, in words. Empty: that is no reason."""

    option: Option
    expiring: str
    assignment: str


def read_decisions(accounts: Sequence[Account]) -> list[Decision]:
    """Return what (already authorised) accounts hold that needs a decision, the soonest first.

    Two queries: the options, and the dividends of their underlyings.
    """
    at = market_now()
    days = {account.pk: local_date(account, at) for account in accounts}
    rows = (
        Position.objects.filter(account__in=list(days), instrument_type__in=sorted(OPTION_KINDS))
        .exclude(quantity=0)
        .filter(expiry__isnull=False, strike__isnull=False)
        .order_by("expiry", "underlying", "strike", "right", "id")
        .values(*_COLUMNS)
    )
    options = [option_of(row, today=days[row["account_id"]]) for row in rows]
    ex_dates = _ex_dates(options)
    found = [_decision(option, ex_dates.get(option.id, ())) for option in options]
    return [each for each in found if each.expiring or each.assignment]


def option_of(row: Mapping[str, Any], *, today: date) -> Option:
    """Return a row of positions as an option."""
    spot, price = as_float(row["underlying_price"]), as_float(row["price"])
    strike = float(row["strike"])
    inside = None
    if spot is not None and not row["instrument__is_adjusted"]:
        inside = spot - strike if row["right"] == "C" else strike - spot
    return Option(
        id=str(row["id"]),
        account_id=row["account_id"],
        symbol=row["symbol"],
        underlying=row["underlying"],
        currency=row["currency"],
        right=row["right"],
        strike=strike,
        expiry=row["expiry"],
        dte=(row["expiry"] - today).days,
        quantity=float(row["quantity"]),
        # An unknown style counts as American, as most options' is.
        is_american=row["instrument__exercise_style"] != ExerciseStyle.EUROPEAN.value,
        spot=spot,
        in_the_money=inside,
        time_value=None if inside is None or price is None else price - max(inside, 0.0),
        as_of=row["price_as_of"],
        source=row["source"],
    )


def _ex_dates(options: Iterable[Option]) -> Mapping[str, Sequence[tuple[date, float]]]:
    """Return the dividends before each short call's expiry, by the option's id."""
    calls = [each for each in options if each.quantity < 0 and each.right == "C"]
    if not calls:
        return {}
    known = known_dividends(
        {(each.underlying, each.currency) for each in calls},
        until=max(each.expiry for each in calls),
    )
    return {
        each.id: [
            (day, amount)
            for day, amount in known.get(share_key(each.underlying, each.currency), ())
            if day <= each.expiry
        ]
        for each in calls
    }


def _decision(option: Option, dividends: Sequence[tuple[date, float]]) -> Decision:
    return Decision(option, _expiring(option), assignment_risk(option, dividends))


def _expiring(option: Option) -> str:
    if option.dte > SOON_DAYS:
        return ""
    if option.dte < 0:
        return "expired"
    when = {0: "expires today", 1: "expires tomorrow"}.get(
        option.dte, f"expires in {option.dte} days"
    )
    inside = option.in_the_money
    if inside is None:
        return when
    return f"{when}, {'in' if inside > 0 else 'at' if inside == 0 else 'out of'} the money"


def assignment_risk(option: Option, dividends: Sequence[tuple[date, float]]) -> str:
    """Return why a short option may be assigned before it expires; empty if it hardly will.

    A holder exercises early where that costs less time value than it brings: the dividend that a
    call misses, the interest on a put's strike (Hull, Options, Futures and Other Derivatives, on
    early exercise). A European option cannot be exercised early.
    """
    inside, time_value, spot = option.in_the_money, option.time_value, option.spot
    if option.quantity >= 0 or not option.is_american or option.dte < 0:
        return ""
    if inside is None or time_value is None or spot is None or inside <= 0:
        return ""
    left = max(time_value, 0.0)
    soon = option.expiry - timedelta(days=option.dte - SOON_DAYS)
    for day, amount in dividends:
        if day <= soon and left < amount:
            when = formatting.day(day)
            return f"ex-dividend on {when}: {amount:.2f} exceeds {left:.2f} of time value"
    if left <= max(LEAST_TIME_VALUE, LITTLE_OF_SPOT * spot):
        return f"{inside:.2f} in the money with {left:.2f} of time value"
    return ""
