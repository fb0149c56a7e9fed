"""Summarise the marks of closed trades."""

from __future__ import annotations

from typing import Final

import msgspec
from django.db.models import TextField
from django.db.models.functions import Cast

from config.core.rows.reading import read_rows
from trades.models import TradeMarks
from trades.statistics import shapes
from trades.statistics.filter import StatisticsFilter
from trades.statistics.marks.excursions import DAYS_EXIT, PROFIT_EXITS
from trades.statistics.reading import ClosedTrades, found_trades

_EXITS: Final = msgspec.json.Decoder(dict[str, float])


def marks_summary(trades: ClosedTrades, wanted: StatisticsFilter) -> shapes.Marks:
    """Return the mean excursions and what earlier exits would have brought. One query.

    A trade that never reached an exit counts with what it brought.
    """
    marks = TradeMarks.objects.filter(
        opening__in=found_trades(wanted).order_by().values("pk"), seen__gt=0
    )
    found = read_rows(
        marks.annotate(reached=Cast("exits", TextField())),
        ("pk", "seen", "expected", "worst", "best", "reached"),
    )
    place = {key: number for number, key in enumerate(trades.key)} if found else {}
    rows = [
        (place[key], *numbers, _EXITS.decode(exits))
        for key, *numbers, exits in found
        if key in place
    ]
    worst = [row[3] for row in rows if row[3] is not None]
    best = [row[4] for row in rows if row[4] is not None]
    exits = []
    for rule in map(str, (*PROFIT_EXITS, DAYS_EXIT)):
        actual = [(float(trades.net[row[0]]), row[5].get(rule)) for row in rows]
        exits.append(
            shapes.Exit(
                rule=rule,
                trades=len(actual),
                reached=sum(earlier is not None for _, earlier in actual),
                net=sum(net if earlier is None else earlier for net, earlier in actual),
                actual=sum(net for net, _ in actual),
            )
        )
    return shapes.Marks(
        trades=len(rows),
        seen=sum(row[1] for row in rows),
        expected=sum(row[2] for row in rows),
        average_worst=sum(worst) / len(worst) if worst else None,
        average_best=sum(best) / len(best) if best else None,
        exits=exits,
    )
