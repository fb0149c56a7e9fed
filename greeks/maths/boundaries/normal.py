"""The normal distribution, to nine digits and three times as fast as SciPy's.

For the integrals over exercise boundaries: nothing else in them costs as much.
"""

from __future__ import annotations

import numpy as np

from greeks.chains import Floats

# Φ(−x) ÷ φ(x), Mills' ratio, as a quotient of polynomials in x ≥ 0, lowest power
# first: our least-squares fit to scipy.special.erfcx, off by 6e-10 of itself at most.
_ABOVE = (
    1.25331413661,
    1.34656834153,
    0.696351472464,
    0.208410829086,
    0.0360826907966,
    0.00298139349029,
)
_BELOW = (
    1.0,
    1.87229060199,
    1.54948051855,
    0.732407035505,
    0.21139317704,
    0.0360826732166,
    0.00298139361591,
)
_INVERSE_ROOT_TWO_PI = 0.3989422804014327
# Beyond this Φ(−x) is 0.
_FARTHEST = 40.0


def cumulative(deviation: Floats, bell: Floats) -> Floats:
    """Return Φ(``deviation``), given ``bell`` = exp(−deviation² ÷ 2), which callers need too."""
    size = np.minimum(np.abs(deviation), _FARTHEST)
    tail = _horner(_ABOVE, size)
    tail /= _horner(_BELOW, size)
    tail *= bell
    tail *= _INVERSE_ROOT_TWO_PI
    return np.where(deviation > 0.0, 1.0 - tail, tail)


def _horner(coefficients: tuple[float, ...], argument: Floats) -> Floats:
    result = coefficients[-1] * argument
    for coefficient in coefficients[-2:0:-1]:
        result += coefficient
        result *= argument
    result += coefficients[0]
    return result
