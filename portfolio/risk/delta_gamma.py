"""Value at risk and expected shortfall of a delta-gamma book, from its exact distribution.

The loss is −(δᵀx + xᵀBx) with x normal, zero mean, covariance Σ. Diagonalised, it is a sum of
independent terms aᵢzᵢ + λᵢzᵢ² of standard normal zᵢ (Hull, *Options, Futures, and Other
Derivatives*, ch. 22; Imhof, *Biometrika* 48, 1961). Imhof's integral converges slowly for few
terms, so the terms' distributions, each in closed form, are convolved on a lattice instead.
Exponential tilting keeps large gains from wrapping round into the losses (Grübel and Hermesmeier,
*ASTIN Bulletin* 29, 1999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from portfolio.exposure.columns import FloatArray

CONFIDENCES = (0.95, 0.99)
# A quarter of the cells is for losses, the rest for gains: the mean of the worst 5 % may still be a
# loss if the 95 % quantile is a gain, but not if the gain is more than twice the largest loss.
_CELLS = 1 << 13
_LOSSES = _CELLS // 4
# Moves beyond six standard deviations have a probability of 2e-9; losses as rare are left out.
_LARGEST_MOVE = 6.0
_RARE = 1e-9
# Mass that wraps round the lattice is damped by exp(-25), 1e-11.
_TILT = 25.0
# A term with less mass than this beyond the lattice is whole on it.
_WHOLE = 1e-8
# A term is linear if its bend is below one of these parts: of its slope, or of all terms.
_FLAT, _NEGLIGIBLE = 1e-4, 1e-8


def quadratic_quantiles(
    delta: FloatArray, quadratic: FloatArray, covariance: FloatArray
) -> list[dict[str, float]] | None:
    """Return VaR and ES of ΔP = δᵀx + Σ bᵢxᵢ² by confidence, as losses of at least zero.

    ``None`` if a number is missing or infinite: no such book has a figure.

    ``delta`` and ``quadratic`` (both (n,)) are money per unit of return and of its square;
    ``covariance`` (n, n) is that of the returns.
    """
    if not all(np.isfinite(each).all() for each in (delta, quadratic, covariance)):
        return None
    slopes, bends = _independent_terms(delta, quadratic, covariance)
    scale = float(np.linalg.norm(slopes) + np.linalg.norm(bends))
    flat = np.abs(bends) <= np.maximum(_FLAT * np.abs(slopes), _NEGLIGIBLE * scale)
    deviation, shift = float(np.linalg.norm(slopes[flat])), float(bends[flat].sum())
    if flat.all():
        return [_normal_quantile(confidence, deviation, shift) for confidence in CONFIDENCES]
    slopes, bends = slopes[~flat], bends[~flat]
    if deviation > 0.0:
        slopes, bends = np.append(slopes, deviation), np.append(bends, 0.0)
    largest = _largest_loss(slopes, bends)
    if not largest > 0.0:
        return [_row(confidence, 0.0, 0.0) for confidence in CONFIDENCES]
    step = largest / (_LOSSES - 2)
    exceeding, rounded = _exceeding(slopes, bends, step)
    losses = _edges(_LOSSES, step) + shift + rounded
    return [_lattice_quantile(confidence, exceeding, losses, step) for confidence in CONFIDENCES]


def _independent_terms(
    delta: FloatArray, quadratic: FloatArray, covariance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return slopes a and bends λ of the loss Σ aᵢzᵢ + λᵢzᵢ²."""
    variances, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variances, 0.0))
    bends, turn = np.linalg.eigh(-(root.T * quadratic) @ root)
    return -(delta @ root @ turn), bends


def _largest_losses(slopes: FloatArray, bends: FloatArray) -> FloatArray:
    """Return the largest az + λz² of each term over the moves z that count."""
    steepness = np.abs(slopes)
    at = np.full(len(slopes), _LARGEST_MOVE)
    np.divide(steepness, -2.0 * bends, out=at, where=bends < 0.0)
    at = np.minimum(at, _LARGEST_MOVE)
    largest: FloatArray = (steepness + bends * at) * at
    return largest


def _largest_loss(slopes: FloatArray, bends: FloatArray) -> float:
    """Return a loss that the sum of the terms exceeds with a probability of at most 1e-9.

    Chernoff's bound: P(L > x) ≤ E exp(sL) · exp(−sx) for every s at which the mean exists.
    """
    together = float(_largest_losses(slopes, bends).sum())
    if not together > 0.0:
        return 0.0
    s = np.geomspace(1.0, 1e3, 40)[:, None] / together
    room = 1.0 - 2.0 * bends * s
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = (-0.5 * np.log(room) + 0.5 * (slopes * s) ** 2 / room).sum(axis=1)
    bounds = (logs - np.log(_RARE)) / s[:, 0]
    return min(together, float(bounds[(room > 0.0).all(axis=1)].min(initial=together)))


def _edges(top: int, step: float) -> FloatArray:
    """Return the edges of the lattice's cells; the highest is that above ``top − 1`` steps."""
    return (np.arange(top - _CELLS, top + 1, dtype=np.float64) - 0.5) * step


def _exceeding(slopes: FloatArray, bends: FloatArray, step: float) -> tuple[FloatArray, float]:
    """Return the probability that the sum of all terms exceeds each edge of the lattice, and the
    mean that the terms lose by being rounded to its cells.

    Each term loses less than a cell, but hundreds of small ones, all of one sign, lose many.
    """
    tilt = _TILT / (_CELLS * step)
    spectrum: NDArray[np.complex128] | float = 1.0
    rounded = 0.0
    tops = np.ceil(_largest_losses(slopes, bends) / step).astype(int) + 2
    for slope, bend, top in zip(slopes, bends, tops, strict=True):
        edges = _edges(int(top), step)
        masses = -np.diff(_term_exceeding(slope, bend, edges))
        middles = edges[:-1] + 0.5 * step
        # Gains beyond the lattice are those of a large term, whose rounding is small.
        if masses.sum() > 1.0 - _WHOLE:
            rounded += float(bend - masses @ middles)
        masses *= np.exp(tilt * middles)
        # The cell of zero comes first, gains are counted back from the end.
        spectrum = spectrum * np.fft.rfft(np.roll(masses, top))
    masses = np.roll(np.fft.irfft(spectrum, _CELLS), -_LOSSES)
    masses *= np.exp(-tilt * (_edges(_LOSSES, step)[:-1] + 0.5 * step))
    return np.append(np.cumsum(np.maximum(masses, 0.0)[::-1])[::-1], 0.0), rounded


def _term_exceeding(slope: float, bend: float, edges: FloatArray) -> FloatArray:
    """Return P(az + λz² > x) at each edge x."""
    steepness = abs(slope)
    if bend == 0.0:
        return np.asarray(ndtr(-edges / steepness))
    inside = steepness * steepness + 4.0 * bend * edges
    root = np.sqrt(np.maximum(inside, 0.0))
    # The roots of λz² + az = x without cancellation.
    far = -0.5 * (steepness + root)
    roots = far / bend, np.divide(-edges, far, out=np.zeros_like(far), where=far < 0.0)
    between = np.abs(ndtr(roots[1]) - ndtr(roots[0]))
    if bend > 0.0:
        return np.where(inside > 0.0, 1.0 - between, 1.0)
    return np.where(inside > 0.0, between, 0.0)


def _normal_quantile(confidence: float, deviation: float, shift: float) -> dict[str, float]:
    tail = 1.0 - confidence
    z = float(ndtri(tail))
    density = float(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))
    return _row(confidence, shift - deviation * z, shift + deviation * density / tail)


def _lattice_quantile(
    confidence: float, exceeding: FloatArray, edges: FloatArray, step: float
) -> dict[str, float]:
    """Read the quantile and the mean beyond it; the probability is linear between the edges."""
    tail = 1.0 - confidence
    above = int(np.searchsorted(-exceeding, -tail, side="left"))
    if above == 0:
        # A gain beyond the lattice.
        return _row(confidence, 0.0, 0.0)
    drop = exceeding[above - 1] - exceeding[above]
    part = (tail - exceeding[above]) / drop
    loss = float(edges[above] - part * step)
    area = part * step * 0.5 * (tail + exceeding[above])
    area += step * (exceeding[above:].sum() - 0.5 * exceeding[above])
    return _row(confidence, loss, loss + float(area) / tail)


def _row(confidence: float, loss: float, mean_beyond: float) -> dict[str, float]:
    return {
        "confidence": confidence,
        "var": max(0.0, loss),
        "expected_shortfall": max(0.0, mean_beyond),
    }
