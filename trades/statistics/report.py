"""The statistics of a set of closed trades, as the page, the API and the CSV show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date
from typing import Final, TypeVar

import numpy as np

from config.core.api.shapes import Shape
from config.core.rows.moments import Days
from greeks.pricing.rates import risk_free_rate
from trades.analytics.balances import Balances, balances
from trades.analytics.realised import realised_by_day
from trades.analytics.returns import drawdown, measure_returns
from trades.statistics import shapes
from trades.statistics.filter import StatisticsFilter
from trades.statistics.groups import DIMENSIONS, labels_of, month_of
from trades.statistics.marks.summary import marks_summary
from trades.statistics.measures import distribution, labelled, measure, measure_groups
from trades.statistics.reading import chosen_lots, closed_trades, left_out, tags_of

AnyShape = TypeVar("AnyShape", bound=Shape)
_NO_RETURNS: Final = shapes.Returns(
    days=0,
    skipped=0,
    time_weighted=None,
    money_weighted=None,
    sharpe=None,
    starting_balance=None,
    accounts_left_out=0,
)


def statistics_report(wanted: StatisticsFilter) -> shapes.Statistics:
    """Compute all statistics. The number of queries is fixed.

    Trades count once, on the day of their last close. Money by day, month and year is what was
    realised then, closed parts of open trades included. Returns are of whole accounts, so a filter
    by strategy or underlying has none.
    """
    trades = closed_trades(wanted)
    days = realised_by_day(wanted, chosen_lots(wanted))
    labels = labels_of(trades, wanted)
    tags = tags_of(trades, wanted)
    tagged = [row for row, _ in tags]
    omitted = left_out(wanted)
    returns = _NO_RETURNS if wanted.is_narrow() else _returns(wanted, balances(wanted))
    fall = drawdown(np.array([days[day] for day in sorted(days)]), start=returns.starting_balance)
    return shapes.Statistics(
        currency=wanted.currency,
        start=wanted.start,
        end=wanted.end,
        realised=sum(days.values()),
        gross=float(trades.gross.sum()),
        costs=float(trades.costs.sum()),
        measures=_as(shapes.Measures, measure(trades.net, trades.risk)),
        drawdown=fall.money,
        drawdown_share=fall.share,
        returns=returns,
        unknown_basis=omitted.unknown_basis,
        other_currencies=[
            shapes.OtherCurrency(currency=name, trades=number)
            for name, number in sorted(omitted.other_currencies.items())
        ],
        marks=marks_summary(trades, wanted),
        groups=[
            shapes.Group(
                dimension=dimension,
                label=group.label,
                rank=group.rank,
                measures=_as(shapes.Measures, group.measures),
            )
            for dimension, found in (
                *(
                    (
                        dimension,
                        measure_groups(trades.net, trades.risk, labels[dimension], order=order),
                    )
                    for dimension, order in DIMENSIONS.items()
                ),
                (
                    "tag",
                    measure_groups(
                        trades.net[tagged],
                        trades.risk[tagged],
                        labelled([name for _, name in tags]),
                    ),
                ),
            )
            for group in found
        ],
        days=_curve(days),
        months=_periods(days, wanted.days_of(trades.account_id, trades.closed_at)),
        distribution=[_as(shapes.Bin, each) for each in distribution(trades.net)],
    )


def _returns(wanted: StatisticsFilter, found: Balances) -> shapes.Returns:
    if not found.days:
        return _NO_RETURNS
    measured = measure_returns(
        found.days, found.balance, found.flows, risk_free=risk_free_rate(wanted.currency).value
    )
    return shapes.Returns(
        **asdict(measured) | {"days": len(found.days) - found.first},
        starting_balance=float(found.balance[0]),
        accounts_left_out=found.left_out,
    )


def _curve(days: Mapping[date, float]) -> list[shapes.Day]:
    running, curve = 0.0, []
    for day in sorted(days):
        running += days[day]
        curve.append(shapes.Day(date=day, net=days[day], cumulative=running))
    return curve


def _periods(days: Mapping[date, float], closed: Days) -> list[shapes.Month]:
    named, numbers = np.unique(closed.astype("datetime64[M]"), return_counts=True)
    trades = dict(zip(map(month_of, named.tolist()), numbers.tolist(), strict=True))
    months: dict[str, float] = dict.fromkeys(trades, 0.0)
    for day, net in days.items():
        name = month_of(day)
        months[name] = months.get(name, 0.0) + net
    return [
        shapes.Month(month=name, net=months[name], trades=trades.get(name, 0))
        for name in sorted(months)
    ]


def _as(shape: type[AnyShape], value: object) -> AnyShape:
    """Return a dataclass's fields as the shape of the same fields."""
    names = [field.name for field in fields(value)]  # type: ignore[arg-type]
    return shape(**{name: getattr(value, name) for name in names})
