"""A chain from snapshots of its contracts, for vendors that quote options one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from config.core.clock import market_now
from greeks.chains import OptionChain
from greeks.domain import RejectedRow, Right, Snapshot
from greeks.providers.chain_columns import NUMBERS, ChainRows

_GREEKS: Final = ("delta", "gamma", "theta", "vega", "implied_volatility")


def chain_of_snapshots(
    snapshots: Sequence[Snapshot],
    *,
    keys: Sequence[str],
    source: str,
    instrument_key: str,
    expiry: date,
    spot: float | None,
    payload: Callable[[int], Any],
    rejected: Sequence[RejectedRow] = (),
) -> OptionChain:
    """Return the chain of one expiry, whose volume and open interest count contracts.

    ``keys`` and ``payload`` are each snapshot's contract key and what the vendor sent for it.

    Raises ``MalformedResponse`` if nothing usable is left.
    """
    contracts = [snapshot.contract for snapshot in snapshots]
    roots = {root: rank for rank, root in enumerate(sorted({each.root for each in contracts}))}
    return ChainRows(
        keys=keys,
        strike=np.array([float(each.strike or 0) for each in contracts], dtype=np.float64),
        is_call=np.array([each.right is Right.CALL for each in contracts], dtype=np.bool_),
        numbers=np.array(list(map(_numbers, snapshots)), dtype=np.float64)
        .reshape(len(snapshots), len(NUMBERS))
        .T.copy(),
        payload=payload,
        rejected=rejected,
        series=np.array([roots[each.root] for each in contracts], dtype=np.int64),
    ).to_chain(
        source=source,
        instrument_key=instrument_key,
        expiry=expiry,
        as_of=_as_of(snapshots),
        spot=spot,
        counts_contracts=True,
    )


def _numbers(snapshot: Snapshot) -> tuple[float, ...]:
    quoted, greeks = snapshot.quote, snapshot.greeks
    return tuple(
        math.nan if value is None else float(value)
        for value in (
            getattr(greeks if name in _GREEKS else quoted, name, None) for name in NUMBERS
        )
    )


def _as_of(snapshots: Sequence[Snapshot]) -> datetime:
    """Return the time of the newest snapshot."""
    moments = [part.as_of for each in snapshots for part in (each.quote, each.greeks) if part]
    return max(moments, default=market_now())
