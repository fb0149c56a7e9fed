"""Which quotes of options count as two-sided."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def is_two_sided(bid: ArrayLike, ask: ArrayLike) -> NDArray[np.bool_]:
    """Return whether somebody buys and somebody sells, uncrossed: 0 < bid ≤ ask. NaN is no price.

    At a bid of 0 nobody buys, so the mid says little: it implies no volatility and no forward.
    """
    bids, asks = np.asarray(bid, dtype=np.float64), np.asarray(ask, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return (bids > 0.0) & (asks >= bids)
