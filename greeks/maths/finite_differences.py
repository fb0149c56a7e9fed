"""American options with cash dividends by finite differences, for many contracts at once.

The model is the escrowed one: the spot without the present value of the dividends to come, ``s = S
− D(t)``, is lognormal, and exercise pays on ``s + D(t)``. So D falls at each ex-date while s
continues, and a call is best exercised just before it (Hull, *Options, Futures, and Other
Derivatives*, chapters 15 and 21).

In ``z = ln(s ÷ s₀)/v − drift·f``, with v = σ√T and f = t/T, the discounted value W of a contract
follows ``W_f + ½ W_zz + tilt·W_z = 0``, and ``H = W·exp(tilt·z − ½ tilt²·f)`` the heat equation:
one symmetric matrix for all. The tilt keeps H small and the payoff almost still. H is solved
backwards by Crandall's scheme (fourth order in z, second in time), damped by half steps after each
kink (Rannacher); early exercise by operator splitting (Ikonen and Toivanen 2004). All tridiagonal
systems are one for LAPACK. The strike's node carries the trapezoidal rule's kink correction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from greeks.chains import Floats
from greeks.maths.lattice_slice import NODES, SMALLEST_REST, Contracts, Slice

Rows = NDArray[np.intp]

_HALF_WIDTH = 5.5
_DRIFT = 0.5
# Steps between two events: none, few for up to an eighth of the time, or more.
_FEW_STEPS, _STEPS = 16, 56
_DAMPED_STEPS = 2
_BLOCK = 128
# Below the smallest, the move is less than the price's own error; above the largest, every price
# is at its upper bound.
_SMALLEST_DEVIATION, _LARGEST_DEVIATION = 1e-8, 8.0


class FiniteDifferences(NamedTuple):
    """Price, and delta and gamma by the spot."""

    value: Floats
    delta: Floats
    gamma: Floats


def lattice_values(
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    volatility: Floats,
    is_call: NDArray[np.bool_],
    dividend_times: Floats,
    dividend_amounts: Floats,
) -> FiniteDifferences:
    """American options with positive spot, strike and years (finite input, checked elsewhere)."""
    contracts = Contracts(
        spot, strike, years, rate, dividend_yield, volatility, is_call,
        dividend_times, dividend_amounts,
    )  # fmt: skip
    result = FiniteDifferences(*(np.empty(spot.size) for _ in range(3)))
    for part, found in slices(contracts, np.zeros((spot.size, 1))):
        middle = spot[part]
        rest = middle - found[0].escrow
        # Differences over half a node: inside the smooth piece between two kinks of the gamma.
        width = (
            0.5 * found[0].spacing * found[0].deviation * np.maximum(rest, SMALLEST_REST * middle)
        )
        below, value, above = found[0].at(np.stack([middle - width, middle, middle + width]))
        result.value[part] = value
        delta = (above - below) / (2.0 * width)
        gamma = np.maximum((above - 2.0 * value + below) / (width * width), 0.0)
        sign = np.where(is_call[part], 1.0, -1.0)
        exercised = value <= sign * (middle - strike[part])
        result.delta[part] = np.where(exercised, sign, delta)
        result.gamma[part] = np.where(exercised, 0.0, gamma)
    return result


def slices(contracts: Contracts, at: Floats) -> Iterator[tuple[Rows, list[Slice]]]:
    """Solve block by block: rows of ``contracts``, and their values at each time of ``at``.

    ``at`` (contracts, times) in years from now, at most the years to expiry. A contract's value
    does not depend on the others in its block.
    """
    events = _events(contracts, at)
    shares = np.diff(events, axis=1, append=contracts.years[:, None]) / contracts.years[:, None]
    steps = np.where(shares > 0.125, _STEPS, np.where(shares > 0.0, _FEW_STEPS, 0))
    plans, plan_of = np.unique(steps, axis=0, return_inverse=True)
    for number, plan in enumerate(plans):
        chosen = np.flatnonzero(plan_of.ravel() == number)
        for start in range(0, chosen.size, _BLOCK):
            rows = chosen[start : start + _BLOCK]
            block = Contracts._make(column[rows] for column in contracts)
            yield rows, _Solution(block, at[rows]).run(events[rows], plan)


def _events(contracts: Contracts, at: Floats) -> Floats:
    """Return event times before expiry, including now, ascending: (contracts, events)."""
    years = contracts.years[:, None]
    times = contracts.dividend_times
    counted = (times > 0.0) & (times <= years) & (contracts.dividend_amounts > 0.0)
    now = np.zeros_like(years)
    return np.sort(np.concatenate([now, np.where(counted, times, 0.0), at], axis=1), axis=1)


class _Factors(NamedTuple):
    """A step's weights and the factorised matrix of all contracts."""

    weight: Floats
    across: Floats
    diagonal: Floats
    beside: Floats


class _Solution:
    """One block of contracts, solved backwards from expiry."""

    def __init__(self, contracts: Contracts, at: Floats) -> None:
        self.contracts = contracts
        years = contracts.years
        self.sign = np.where(contracts.is_call, 1.0, -1.0)
        deviation = contracts.volatility * np.sqrt(years)
        self.deviation = np.clip(deviation, _SMALLEST_DEVIATION, _LARGEST_DEVIATION)
        self.carry = contracts.rate - contracts.dividend_yield
        times = contracts.dividend_times
        counted = (times > 0.0) & (times <= years[:, None])
        self.amounts = np.where(counted, contracts.dividend_amounts, 0.0)
        self.times = np.where(self.amounts > 0.0, times, 0.0)
        self.rest = np.maximum(
            contracts.spot - self.escrow(np.zeros_like(years)), SMALLEST_REST * contracts.spot
        )
        self.at = at
        trend = self.carry * years - 0.5 * self.deviation**2
        self.tilt = np.clip(self.carry * years / self.deviation, -_DRIFT, _DRIFT)
        self.tilt -= 0.5 * self.deviation
        self.drift = trend - self.tilt * self.deviation
        at_strike = (np.log(contracts.strike / self.rest) - self.drift) / self.deviation
        # Calls weigh their values by the stock, whose own measure lies one deviation higher.
        self.spacing = (2.0 * _HALF_WIDTH + self.deviation + 2.0 * _DRIFT) / (NODES - 1)
        lowest = -_HALF_WIDTH - _DRIFT
        anchor = np.where(np.abs(at_strike) < _HALF_WIDTH, at_strike, 0.0)
        self.strike_node = np.round((anchor - lowest) / self.spacing)
        self.first_node = anchor - self.spacing * self.strike_node
        self.has_kink = anchor == at_strike
        nodes = self.first_node[:, None] + self.spacing[:, None] * np.arange(NODES)
        self.flat = np.exp(self.tilt[:, None] * nodes)
        self.growing = np.exp((self.tilt + self.deviation)[:, None] * nodes)

    def escrow(self, at: Floats, *, before: bool = False) -> Floats:
        """Value at ``at`` of the dividends after it; ``before`` includes one due then."""
        wait = self.times - at[:, None]
        due = wait >= -1e-12 if before else wait > 1e-12
        worth = self.amounts * np.exp(-self.carry[:, None] * np.maximum(wait, 0.0))
        total: Floats = np.where(due, worth, 0.0).sum(axis=1)
        return total

    def run(self, events: Floats, plan: NDArray[np.intp]) -> list[Slice]:
        """Step backwards over the events, ``plan`` steps after each; slices in the order of
        ``at``.
        """
        years = self.contracts.years
        self._begin()
        wanted = self.at.shape[1]
        values = np.empty((wanted, years.size, NODES))
        linear = np.empty((wanted, *self.linear.shape))
        latest = years
        for column in range(events.shape[1] - 1, -1, -1):
            earliest = events[:, column]
            if plan[column]:
                self._back(latest, earliest, int(plan[column]))
            latest = earliest
            for index in range(wanted):
                rows = np.flatnonzero(self.at[:, index] == latest)
                values[index, rows] = self.values[rows]
                linear[index][..., rows] = self.linear[..., rows]
            # Just before the ex-date the share still carries the dividend.
            self._exercise(latest)
        return [self._slice(*each) for each in zip(self.at.T, values, linear, strict=True)]

    def _begin(self) -> None:
        years = self.contracts.years
        self.values = np.maximum(self._payoff(years), 0.0)
        rows = np.flatnonzero(self.has_kink)
        node = self.strike_node[rows].astype(np.intp)
        kink = self._discount(years) * self.contracts.strike * self.deviation * self.spacing / 12.0
        self.values[rows, node] = kink[rows] * self.flat[rows, node]
        self.linear = np.zeros((2, 2, years.size))
        self._exercise_at_the_edges(years)

    def _discount(self, at: Floats) -> Floats:
        """Factor from prices to W, and with the tilt's time part to H."""
        result: Floats = np.exp(
            -self.contracts.rate * at - 0.5 * self.tilt**2 * at / self.contracts.years
        )
        return result

    def _slope(self, at: Floats) -> Floats:
        """Factor from the growing exponential to s."""
        result: Floats = self.rest * np.exp(self.drift * at / self.contracts.years)
        return result

    def _payoff(self, at: Floats, *, before: bool = False) -> Floats:
        scale = self.sign * self._discount(at)
        net = self.contracts.strike - self.escrow(at, before=before)
        payoff = self.growing * (scale * self._slope(at))[:, None]
        payoff -= self.flat * (scale * net)[:, None]
        return payoff

    def _exercise(self, at: Floats) -> None:
        np.maximum(self.values, self._payoff(at, before=True), out=self.values)
        self._exercise_at_the_edges(at, before=True)

    def _exercise_at_the_edges(self, at: Floats, *, before: bool = False) -> None:
        """At the edges the best time to exercise is known: prices are linear in s."""
        rate, carry = self.contracts.rate * at, self.contracts.dividend_yield * at
        stock = self._slope(at) * np.exp(carry - rate) * self.growing[:, [0, -1]].T
        flat = self.flat[:, [0, -1]].T
        kept = self.linear[:, 0] * stock - self.linear[:, 1] * flat
        slope = self.sign * np.exp(-carry)
        net = self.contracts.strike - self.escrow(at, before=before)
        constant = self.sign * np.exp(-rate) * net
        better = slope * stock - constant * flat > np.maximum(kept, 0.0)
        self.linear[:, 0] = np.where(better, slope, self.linear[:, 0])
        self.linear[:, 1] = np.where(better, constant, self.linear[:, 1])
        worth = np.maximum(self.linear[:, 0] * stock - self.linear[:, 1] * flat, 0.0)
        worth *= self._discount(at) * np.exp(rate)
        self.values[:, 0], self.values[:, -1] = worth

    def _back(self, latest: Floats, earliest: Floats, steps: int) -> None:
        """Step from ``latest`` back to ``earliest``; early steps are short and grow away from the
        kink.
        """
        years = self.contracts.years
        share = (latest - earliest) / years
        gain = np.zeros((years.size, NODES - 2))
        scale = (share * years) / steps**2
        for number in range(steps):
            step = share * ((2 * number + 1) / steps**2)
            factors = self._factors(step)
            if number > _DAMPED_STEPS:
                gain *= (2 * number + 1) / (2 * number - 1)
                self._step(latest - scale * (number + 1) ** 2, factors, gain)
            else:
                middle = number * number + number + 0.5
                self._half_step(latest - scale * middle, factors)
                self._half_step(latest - scale * (number + 1) ** 2, factors)

    def _factors(self, step: Floats) -> _Factors:
        """Crandall's matrix for the step; half a step of implicit Euler has the same one."""
        weight = (0.25 * step / self.spacing**2)[:, None]
        across = 1.0 / 12.0 - weight
        diagonal = np.repeat(10.0 / 12.0 + 2.0 * weight, NODES - 2, axis=1).ravel()
        beside = np.repeat(across, NODES - 2, axis=1)
        beside[:, -1] = 0.0
        lower, upper, _ = lapack.dpttrf(diagonal, beside.ravel()[:-1], 1, 1)
        return _Factors(weight, across[:, 0], lower, upper)

    def _step(self, at: Floats, factors: _Factors, gain: Floats) -> None:
        """Take one Crank-Nicolson step; ``gain`` carries forward what exercise earned in it."""
        values = self.values
        right = (10.0 / 12.0 - 2.0 * factors.weight) * values[:, 1:-1]
        right += (1.0 / 12.0 + factors.weight) * (values[:, :-2] + values[:, 2:])
        right += gain
        solved = self._solve(at, factors, right)
        renewed = np.maximum(solved - gain, self._payoff(at)[:, 1:-1])
        gain += renewed - solved
        values[:, 1:-1] = renewed

    def _half_step(self, at: Floats, factors: _Factors) -> None:
        values = self.values
        right = (10.0 / 12.0) * values[:, 1:-1]
        right += (1.0 / 12.0) * (values[:, :-2] + values[:, 2:])
        solved = self._solve(at, factors, right)
        values[:, 1:-1] = np.maximum(solved, self._payoff(at)[:, 1:-1])

    def _solve(self, at: Floats, factors: _Factors, right: Floats) -> Floats:
        self._exercise_at_the_edges(at)
        right[:, 0] -= factors.across * self.values[:, 0]
        right[:, -1] -= factors.across * self.values[:, -1]
        solved: Floats = lapack.dpttrs(factors.diagonal, factors.beside, right.ravel(), 1)[0]
        return solved.reshape(right.shape)

    def _slice(self, at: Floats, values: Floats, linear: Floats) -> Slice:
        return Slice(
            contracts=self.contracts,
            at_time=at,
            scale=self._slope(at),
            deviation=self.deviation,
            tilt=self.tilt,
            first_node=self.first_node,
            spacing=self.spacing,
            escrow=self.escrow(at),
            values=values,
            linear=linear,
        )
