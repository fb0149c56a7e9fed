"""The output of a finite-difference solution: contracts, and values on nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Floats

NODES = 201
#: Share of the spot left where the coming dividends are worth more than it.
SMALLEST_REST = 1e-9


class Contracts(NamedTuple):
    """Flat arrays (contracts,); dividends (contracts, dividends), padded with amounts of 0."""

    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    volatility: Floats
    is_call: NDArray[np.bool_]
    dividend_times: Floats
    dividend_amounts: Floats


class Slice(NamedTuple):
    """H on the nodes at one instant, and what converts it to prices at a spot.

    ``linear`` are slope and constant beyond the lowest and the highest node: (2, 2, contracts).
    """

    contracts: Contracts
    at_time: Floats
    scale: Floats
    deviation: Floats
    tilt: Floats
    first_node: Floats
    spacing: Floats
    escrow: Floats
    values: Floats
    linear: Floats

    def at(self, spot: Floats) -> Floats:
        """Return prices at ``spot`` (…, contracts), by the six nodes around it."""
        rest = np.maximum(spot - self.escrow, SMALLEST_REST * np.abs(spot))
        node = np.log(rest / self.scale) / self.deviation
        position = (node - self.first_node) / self.spacing
        start = np.clip(np.floor(position).astype(np.intp) - 2, 0, NODES - 6)
        share = self.at_time / self.contracts.years
        inside = self._lagrange(start, position - start)
        inside *= np.exp(0.5 * self.tilt**2 * share - self.tilt * node)
        inside *= np.exp(self.contracts.rate * self.at_time)
        row = np.arange(spot.shape[-1])
        slope, constant = self.linear[np.where(position < 0.0, 0, 1), :, row].T
        slope, constant = slope.T, constant.T
        carry = self.contracts.dividend_yield * self.at_time
        outside = slope * rest * np.exp(carry) - constant * np.exp(
            self.contracts.rate * self.at_time
        )
        known = (position >= 0.0) & (position <= NODES - 1.0)
        sign = np.where(self.contracts.is_call, 1.0, -1.0)
        value = np.maximum(np.where(known, inside, outside), 0.0)
        return np.maximum(value, sign * (spot - self.contracts.strike))

    def _lagrange(self, start: NDArray[np.intp], offset: Floats) -> Floats:
        row = np.arange(offset.shape[-1])
        result = np.zeros_like(offset)
        for node, scale in enumerate(_LAGRANGE_SCALES):
            weight = np.full_like(offset, scale)
            for other in range(6):
                if other != node:
                    weight *= offset - other
            result += weight * self.values[row, start + node]
        return result


_LAGRANGE_SCALES = tuple(
    1.0 / float(np.prod([node - other for other in range(6) if other != node])) for node in range(6)
)
