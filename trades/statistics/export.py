"""Statistics, closed trades and realised gains as CSV lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from config.core.web.csv_export import csv_lines
from trades.models import TradeLot
from trades.statistics.filter import StatisticsFilter
from trades.statistics.shapes import Measures, Statistics
from trades.underlyings import of_underlyings

_MEASURES = Measures.__struct_fields__
#: Rule 27: said in every row, so that no part of the file can lose it.
WASH_SALES = "Wash sales are not adjusted."
_NO_BASIS = "The basis is not known: what opened it, or the account it came from, is missing."


def statistics_csv(report: Statistics) -> Iterator[str]:
    """Return one line for all trades, then one for each group."""
    rows = [("all", "", None, report.currency, *_values(report.measures))]
    rows += [
        (group.dimension, group.label, group.rank, report.currency, *_values(group.measures))
        for group in report.groups
    ]
    return csv_lines(("dimension", "label", "rank", "currency", *_MEASURES), rows)


def _values(measures: Measures) -> list[object]:
    return [getattr(measures, name) for name in _MEASURES]


def realised_gains_csv(wanted: StatisticsFilter) -> Iterator[str]:
    """Return one line per closed lot of the days, by the closing fill's day. One query.

    Amounts are not rounded: whichever lines are added up, the sum is right to the cent, and a gain
    is its proceeds less its basis. Proceeds and cost basis include costs. Of a short lot the sale
    is the opening. A lot of unknown basis has no basis and no gain. Provisional closes are left out
    until they are final. Long term: held for more than a year.
    """
    lots = (
        TradeLot.objects.filter(wanted.between("closed_at"), awaiting=False)
        .order_by("closed_at", "pk")
        .select_related("account", "instrument", "closed_by")
    )
    if wanted.underlying:
        lots = lots.filter(of_underlyings([wanted.underlying], "instrument__underlying"))
    zones = {account.pk: ZoneInfo(account.time_zone) for account in wanted.accounts}
    header = (
        "tax_year", "account_id", "symbol", "quantity", "opened", "closed", "how_closed",
        "proceeds", "cost_basis", "gain", "currency", "term", "broker_codes", "broker_gain",
        "note",
    )  # fmt: skip
    return csv_lines(header, _gains(lots.iterator(chunk_size=2000), zones))


def _gains(lots: Iterable[TradeLot], zones: dict[str, ZoneInfo]) -> Iterator[tuple[object, ...]]:
    """Yield a line for each lot; the broker's gain of a fill stands once, at its first lot."""
    told: set[int | None] = {None}
    for lot in lots:
        broker_gain = None
        if lot.closed_by is not None and lot.closed_by_id not in told:
            told.add(lot.closed_by_id)
            broker_gain = lot.closed_by.broker_realized_pnl
        yield _gain(lot, zones, broker_gain)


def _gain(
    lot: TradeLot, zones: dict[str, ZoneInfo], broker_gain: Decimal | None
) -> tuple[object, ...]:
    zone = zones[lot.account_id]
    closed = lot.closed_at.astimezone(zone).date() if lot.closed_at else None
    opened = lot.opened_at.astimezone(zone).date() if lot.opened_at else None
    units = abs(lot.quantity) * lot.instrument.multiplier
    open_costs, close_costs = lot.open_costs or Decimal(0), lot.close_costs or Decimal(0)
    sign = 1 if lot.quantity > 0 else -1
    ended = began = None
    if lot.close_price is not None:
        ended = lot.close_price * units - close_costs * sign
    if lot.net is not None and ended is not None:
        # A carried or averaged opening price is stored rounded; the profit is not made of it.
        began = ended - lot.net * sign
    elif lot.open_price is not None:
        began = lot.open_price * units + open_costs * sign
    proceeds, basis = (ended, began) if sign > 0 else (began, ended)
    raw = lot.closed_by.raw_payload if lot.closed_by else {}
    return (
        closed.year if closed else None,
        lot.account_id,
        lot.instrument.symbol,
        lot.quantity.normalize(),
        opened,
        closed,
        lot.closed_kind,
        _plain(proceeds),
        _plain(basis),
        _plain(lot.net),
        lot.currency,
        _term(opened, closed, is_short=lot.quantity < 0),
        str(raw.get("notes") or raw.get("code") or ""),
        _plain(broker_gain),
        WASH_SALES if lot.open_price is not None else f"{WASH_SALES} {_NO_BASIS}",
    )


def _term(opened: date | None, closed: date | None, *, is_short: bool) -> str:
    if opened is None or closed is None:
        return ""
    if is_short:
        return "short"
    try:
        year_later = opened.replace(year=opened.year + 1)
    except ValueError:
        year_later = opened + timedelta(days=366)
    return "long" if closed > year_later else "short"


def _plain(value: Decimal | None) -> Decimal | None:
    """Return the amount without needless zeros, but with its cents."""
    if value is None:
        return None
    cents = round(value, 2)
    return cents if cents == value else value.normalize()
