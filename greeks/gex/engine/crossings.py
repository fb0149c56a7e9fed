"""Where a profile of gamma exposure crosses zero."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from greeks.chains import Floats

# A profile this small beside the whole exposure is rounding, not a sign.
_NOISE = 1e-12


class NoFlip(StrEnum):
    """Why there is no headline zero gamma."""

    #: Too few strikes to say anything.
    THIN = "thin"
    #: Only calls, only puts, or net gamma has one sign over the whole grid.
    ONE_SIDED = "one_sided"
    #: It crosses in the grid's first or last step only.
    EDGE = "edge"


@dataclass(frozen=True, slots=True)
class ZeroGamma:
    """The crossing nearest to the spot, or why there is none; ``crossings`` are all, ascending."""

    level: float | None
    reason: NoFlip | None
    crossings: tuple[float, ...] = ()


def zero_gamma(levels: Floats, profile: Floats, *, spot: float, scale: float) -> ZeroGamma:
    """Interpolate every change of sign; the headline lies nearest to ``spot``, off the edges.

    ``levels`` ascend; ``profile`` is the net exposure at each; ``scale`` the exposure regardless
    of sign, below a tiny share of which a value counts as zero.
    """
    crossings = _crossings(levels, profile, scale)
    inner = [at for at in crossings if levels[1] <= at <= levels[-2]]
    if inner:
        return ZeroGamma(min(inner, key=lambda at: (abs(at - spot), at)), None, crossings)
    return ZeroGamma(None, NoFlip.EDGE if crossings else NoFlip.ONE_SIDED, crossings)


def _crossings(levels: Floats, profile: Floats, scale: float) -> tuple[float, ...]:
    signed = np.flatnonzero(np.abs(profile) > _NOISE * scale)
    before, after = signed[:-1], signed[1:]
    found = []
    for left, right in zip(before.tolist(), after.tolist(), strict=True):
        low, high = profile[left], profile[right]
        if (low > 0.0) == (high > 0.0):
            continue
        if right - left > 1:
            # Zero in between: the middle of the stretch.
            found.append(0.5 * float(levels[left + 1] + levels[right - 1]))
        else:
            share = low / (low - high)
            found.append(float(levels[left] + share * (levels[right] - levels[left])))
    return tuple(found)
