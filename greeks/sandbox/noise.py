"""Seeded noise that is a pure function of time: the same in every process and after a restart.

A factor's path is a sum of octaves. Each octave holds one standard normal number per slot of its
length, made by hashing (seed, factor, octave, slot), with straight lines in between. Lengths grow
by four and amplitudes with their square roots, so the sum moves like Brownian motion from seconds
to months and reverts to its mean beyond: prices never run away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from greeks.chains import Floats

SECONDS_A_YEAR = 365.0 * 86400.0
OCTAVE_SECONDS = 2.0 * 4.0 ** np.arange(12)
# Makes the mean squared change over an hour to a day that of unit annual volatility.
_VARIANCE_SHARE = 0.50
# The shortest octaves are louder: the bounce of a live tape, gone after half a minute.
_LIVELINESS = np.array([2.0, 1.6, 1.2] + [1.0] * 9)
_AMPLITUDES = _LIVELINESS * np.sqrt(_VARIANCE_SHARE * OCTAVE_SECONDS / SECONDS_A_YEAR)
_CHUNK = 4096
_64_BITS = (1 << 64) - 1


def uniform_hash(*keys: ArrayLike) -> Floats:
    """Return numbers in (0, 1), evenly spread, from integer keys that broadcast (splitmix64)."""
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            state = state ^ np.asarray(key).astype(np.int64).astype(np.uint64)
            state = state + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    uniform: Floats = ((state >> np.uint64(11)).astype(np.float64) + 0.5) / 9007199254740992.0
    return uniform


def one_uniform_hash(*keys: int) -> float:
    """Return what :func:`uniform_hash` gives for single numbers, without the cost of arrays."""
    state = 0
    for key in keys:
        state = ((state ^ key & _64_BITS) + 0x9E3779B97F4A7C15) & _64_BITS
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _64_BITS
        state ^= state >> 31
    return ((state >> 11) + 0.5) / 9007199254740992.0


def normal_hash(*keys: ArrayLike) -> Floats:
    """Return standard normal numbers from integer keys that broadcast."""
    normal: Floats = ndtri(uniform_hash(*keys))
    return normal


def factor_paths(seed: int, factors: ArrayLike, seconds: ArrayLike) -> Floats:
    """Return paths of unit annual volatility, shape (factors, seconds).

    ``seconds`` is Unix time.
    """
    factors_ = np.atleast_1d(np.asarray(factors, dtype=np.int64))
    times = np.atleast_1d(np.asarray(seconds, dtype=np.float64))
    paths = np.empty((factors_.size, times.size))
    for start in range(0, times.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        paths[:, part] = _paths(seed, factors_, times[part])
    return paths


def _paths(seed: int, factors: NDArray[np.int64], times: Floats) -> Floats:
    position = times / OCTAVE_SECONDS[:, None]
    slot = np.floor(position)
    weight = position - slot
    octaves = np.arange(OCTAVE_SECONDS.size)[:, None]
    keys = (seed, factors[:, None, None], octaves)
    before = normal_hash(*keys, slot)
    after = normal_hash(*keys, slot + 1.0)
    octave_values = before + (after - before) * weight
    paths: Floats = np.einsum("k,fkt->ft", _AMPLITUDES, octave_values)
    return paths
