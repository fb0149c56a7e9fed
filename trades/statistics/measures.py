"""Measures of closed trades: pure, vectorised over columns; each is defined in docs/statistics.md.

A column has one number per trade, NaN where it is not known. ``net`` is realised money after costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Money below this is neither a win nor a loss.
SCRATCH: Final = 0.005
#: A group of fewer trades is shown, never ranked.
LEAST_RANKED: Final = 20
_BINS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Measures of one set of trades. Money is in the trades' currency; ``None`` is not known."""

    trades: int
    wins: int
    losses: int
    net: float
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    expectancy_r: float | None
    trades_with_risk: int
    average_win: float | None
    average_loss: float | None
    largest_win: float | None
    largest_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Measures of the trades with one label. ``rank`` is by expectancy, best first; ``None`` with
    fewer than ``LEAST_RANKED`` trades."""

    label: str
    measures: Measures
    rank: int | None


def measure(net: Floats, risk: Floats) -> Measures:
    """Return the measures of all trades. ``risk`` is their initial risk."""
    return _measures(net, risk, np.zeros(net.size, dtype=np.intp), 1)[0]


@dataclass(frozen=True, slots=True)
class Labels:
    """The label of each trade: its place in ``names``, −1 for none."""

    names: Sequence[str]
    places: Indices


def labelled(labels: Sequence[str | None]) -> Labels:
    """Return the labels of trades, one each, ``None`` for none."""
    names = sorted(label for label in set(labels) if label is not None)
    place: dict[str | None, int] = {label: number for number, label in enumerate(names)}
    place[None] = -1
    return Labels(names, np.fromiter(map(place.__getitem__, labels), np.intp, len(labels)))


def measure_groups(
    net: Floats, risk: Floats, labels: Labels, *, order: Sequence[str] = ()
) -> list[Group]:
    """Return the measures by label; trades without one are left out.

    Labels come in ``order`` where it names them, the others by number of trades.
    """
    names, rows = labels.names, labels.places
    known = rows >= 0
    found = _measures(net[known], risk[known], rows[known], len(names))
    ranked = [n for n, each in enumerate(found) if each.trades >= LEAST_RANKED]
    ranked.sort(key=lambda n: (-(found[n].expectancy or 0.0), names[n]))
    rank = {n: position for position, n in enumerate(ranked, start=1)}
    given = {label: number for number, label in enumerate(order)}
    groups = [
        Group(label=label, measures=found[n], rank=rank.get(n))
        for n, label in enumerate(names)
        if found[n].trades
    ]
    groups.sort(key=lambda g: (given.get(g.label, len(given)), -g.measures.trades, g.label))
    return groups


def _measures(net: Floats, risk: Floats, group: Indices, count: int) -> list[Measures]:
    def total(values: Floats, chosen: NDArray[np.bool_]) -> Floats:
        return np.bincount(group[chosen], values[chosen], count).astype(np.float64)

    def number(chosen: NDArray[np.bool_]) -> Indices:
        return np.bincount(group[chosen], minlength=count)

    won, lost = net >= SCRATCH, net <= -SCRATCH
    every = np.ones(net.size, dtype=bool)
    trades, wins, losses = number(every), number(won), number(lost)
    sums, gained, given = total(net, every), total(net, won), total(net, lost)
    with_risk = risk > 0
    in_r = np.divide(net, risk, out=np.zeros_like(net), where=with_risk)
    r_sums, r_trades = total(in_r, with_risk), number(with_risk)
    best, worst = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(best, group, net)
    np.minimum.at(worst, group, net)
    return [
        Measures(
            trades=int(trades[n]),
            wins=int(wins[n]),
            losses=int(losses[n]),
            net=float(sums[n]),
            win_rate=_ratio(wins[n], wins[n] + losses[n]),
            profit_factor=_ratio(gained[n], -given[n]),
            expectancy=_ratio(sums[n], trades[n]),
            expectancy_r=_ratio(r_sums[n], r_trades[n]),
            trades_with_risk=int(r_trades[n]),
            average_win=_ratio(gained[n], wins[n]),
            average_loss=_ratio(given[n], losses[n]),
            largest_win=float(best[n]) if wins[n] else None,
            largest_loss=float(worst[n]) if losses[n] else None,
        )
        for n in range(count)
    ]


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Trades with ``low`` ≤ net < ``high``."""

    low: float
    high: float
    trades: int


def distribution(net: Floats) -> list[Bin]:
    """Return the numbers of trades by net result, in bins of one round width around zero.

    Counted in whole cents: 0.29 / 0.01 is below 29 in floating point.
    """
    if not net.size:
        return []
    cents = np.floor(np.round(net * 100, 6))
    least, most = min(cents.min(), 0.0), max(cents.max(), 0.0)
    width = _round_width(max((most - least) / _BINS, 1.0))
    first = least // width
    place = (cents // width - first).astype(np.intp)
    counts = np.bincount(place, minlength=int(most // width - first) + 1)
    edges = ((first + np.arange(counts.size + 1)) * width / 100).tolist()
    return [
        Bin(low=low, high=high, trades=trades)
        for low, high, trades in zip(edges, edges[1:], counts.tolist(), strict=False)
    ]


def _round_width(least: float) -> float:
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999999))
