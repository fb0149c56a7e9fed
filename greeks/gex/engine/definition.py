"""How gamma exposure is defined: time, gamma, grid, and the sign of the dealers' side.

There is no one definition; each number names its own. A change of what a definition computes is a
new version, and history shows one version only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.core.errors import InvalidInput, invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One way to compute gamma exposure.

    ``trading_days``: time is whole weekdays ÷ 262, and options of the day are dropped; else ACT/365
    to the instant of settlement. ``vendor_gamma``: the vendor's gamma at the spot, where it sent
    one; else that of our model at the contract's volatility. ``carries``: the model has the rate,
    and the yield that put-call parity implies. ``levels``: spots of the profile.
    """

    name: str
    version: int
    words: str
    trading_days: bool
    vendor_gamma: bool
    carries: bool
    levels: int

    @property
    def key(self) -> str:
        """Return what is stored with each snapshot as its ``definition_version``."""
        return f"{self.name}.{self.version}"


SETTLEMENT_INSTANT: Final = Definition(
    name="settlement_instant",
    version=2,
    words=(
        "Model gamma at each contract's volatility; time ACT/365 to the instant of settlement, "
        "at least 15 minutes."
    ),
    trading_days=False,
    vendor_gamma=False,
    carries=True,
    levels=161,
)
PERFILIEV: Final = Definition(
    name="perfiliev_262_drop_0dte",
    version=2,
    words=(
        "The vendor's gamma at the spot; time in weekdays ÷ 262, options of the day dropped; "
        "rate and yield zero."
    ),
    trading_days=True,
    vendor_gamma=True,
    carries=False,
    levels=60,
)
DEFINITIONS: Final[Mapping[str, Definition]] = {
    each.name: each for each in (SETTLEMENT_INSTANT, PERFILIEV)
}


@dataclass(frozen=True, slots=True)
class Dealers:
    """What dealers are assumed to hold: the sign of calls' and of puts' exposure."""

    name: str
    words: str
    call: float
    put: float


DEALERS: Final[Mapping[str, Dealers]] = {
    each.name: each
    for each in (
        Dealers("long_calls_short_puts", "long calls, short puts", 1.0, -1.0),
        Dealers("short_calls_long_puts", "short calls, long puts", -1.0, 1.0),
        Dealers("long_both", "long calls and puts", 1.0, 1.0),
        Dealers("short_both", "short calls and puts", -1.0, -1.0),
    )
}


def definition_named(name: str) -> Definition:
    """Return the definition. Raises ``InvalidInput`` for an unknown name."""
    if name not in DEFINITIONS:
        raise _unknown("definition", DEFINITIONS)
    return DEFINITIONS[name]


def dealers_named(name: str) -> Dealers:
    """Return the assumption about dealers. Raises ``InvalidInput`` for an unknown name."""
    if name not in DEALERS:
        raise _unknown("dealers", DEALERS)
    return DEALERS[name]


def _unknown(field: str, known: Mapping[str, object]) -> InvalidInput:
    return invalid(field, f"Expected one of: {', '.join(known)}.")
