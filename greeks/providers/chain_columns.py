"""From a vendor's rows to the columns of a chain: shared by every chain decoder.

Applied to whole columns: NaN, infinity, the vendors' "unset" number, and a number too large to be
true or impossible for its field (a sentinel such as a delta of −999) are missing (NaN); the row's
other numbers stay. Without a possible strike or key the row is bad and rejected with its reason and
payload, so rows sent always equal rows kept plus rows rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from config.core.errors import MalformedResponse
from greeks.chains import Flags, Floats, OptionChain, is_impossible
from greeks.domain import RejectedRow
from greeks.providers.decoding import LONGEST_IDENTIFIER, BadRow, rejected_row

logger = structlog.get_logger(__name__)

Value = TypeVar("Value")

#: The numbers of a contract, in the order of every array with them as rows.
NUMBERS: Final = (
    "bid",
    "ask",
    "last",
    "previous_close",
    "volume",
    "open_interest",
    "previous_open_interest",
    "implied_volatility",
    "delta",
    "gamma",
    "theta",
    "vega",
)
KIND: Final = "chain"
_TOO_LARGE: Final = 1e12
_DELTA, _THETA = NUMBERS.index("delta"), NUMBERS.index("theta")
_GREEKS = slice(_DELTA, _DELTA + 4)
_VOLATILITY = NUMBERS.index("implied_volatility")
_BID, _ASK, _LAST, _CLOSE = range(4)


class ChainRows:
    """The readable rows of one answer, in order of arrival.

    ``numbers`` has a row for each of ``NUMBERS`` and a column a contract, in the desk's units.
    ``payload(index)`` returns what the vendor sent for a contract, for the quarantine. ``series``
    numbers the roots where an expiry has several (SPX and SPXW): at one strike the pair of one
    root follows that of the other.
    """

    def __init__(
        self,
        *,
        keys: Sequence[str],
        strike: Floats,
        is_call: Flags,
        numbers: Floats,
        payload: Callable[[int], Any],
        rejected: Sequence[RejectedRow] = (),
        series: NDArray[np.int64] | None = None,
    ) -> None:
        self.keys = keys
        self.strike = strike
        self.is_call = is_call
        self.numbers = numbers
        self.rejected = list(rejected)
        self.series = np.zeros(len(keys), np.int64) if series is None else series
        self._payload = payload

    def to_chain(
        self,
        *,
        source: str,
        instrument_key: str,
        expiry: date,
        as_of: datetime,
        spot: float | None,
        counts_contracts: bool = False,
    ) -> OptionChain:
        """Return the chain, sorted, without impossible rows and duplicates.

        Raises ``MalformedResponse`` if nothing usable is left.
        """
        with np.errstate(invalid="ignore"):
            order = self._usable()
            if not order.size:
                raise _nothing_usable(source, instrument_key, expiry, self.rejected)
            numbers = _with_missing(self.numbers[:, order])
        return OptionChain(
            source=source,
            instrument_key=instrument_key,
            expiry=expiry,
            as_of=as_of,
            spot=spot if spot is not None and 0.0 < spot < _TOO_LARGE else None,
            keys=tuple(map(self.keys.__getitem__, order.tolist())),
            strike=self.strike[order],
            is_call=self.is_call[order],
            **dict(zip(NUMBERS, numbers, strict=True)),
            counts_contracts=counts_contracts,
            rejected=tuple(self.rejected),
        )

    def _usable(self) -> NDArray[np.int64]:
        """Return indices of the good rows by strike, the call before the put.

        Impossible numbers become missing; bad rows are rejected.
        """
        for name, column in zip(NUMBERS, self.numbers, strict=True):
            column[is_impossible(name, column)] = np.nan
        bad = ~((self.strike > 0.0) & (self.strike < _TOO_LARGE))
        for index in np.flatnonzero(bad).tolist():
            self._reject(index, f"strike: {self.strike[index]:g} is not a strike")
        kept = np.flatnonzero(~bad)
        if not _are_distinct_keys(self.keys):
            first: dict[str, int] = {}
            for index in kept.tolist():
                name = self.keys[index]
                if not _is_key(name):
                    self._reject(index, f"key: {name!a:.60} is not a contract's key")
                elif first.setdefault(name, index) != index:
                    self._reject(index, f"key: {name!r} was sent twice")
            kept = np.fromiter(first.values(), np.int64, len(first))
        order = kept[np.lexsort((~self.is_call[kept], self.series[kept], self.strike[kept]))]
        place = np.stack([self.strike[order], self.series[order], self.is_call[order]])
        again = np.zeros(order.size, dtype=np.bool_)
        again[1:] = (place[:, 1:] == place[:, :-1]).all(axis=0)
        for index in order[again].tolist():
            self._reject(index, f"strike: {self.strike[index]:g} was sent twice")
        return order[~again]

    def _reject(self, index: int, reason: str) -> None:
        self.rejected.append(rejected_row(KIND, reason, self._payload(index)))


def cell(parse: Callable[[object, str], Value | None], value: object) -> Value | None:
    """Return a chain's number or time; ``None`` for what ``parse`` refuses too: the row stays."""
    try:
        return parse(value, "")
    except BadRow:
        return None


def _is_key(name: str) -> bool:
    return 0 < len(name) <= LONGEST_IDENTIFIER and name.isprintable()


def _are_distinct_keys(keys: Sequence[str]) -> bool:
    """Fast check, nearly always true: every key can be stored and none is there twice."""
    lengths = set(map(len, keys))
    return (
        len(set(keys)) == len(keys)
        and 0 not in lengths
        and max(lengths, default=1) <= LONGEST_IDENTIFIER
        and "".join(keys).isprintable()
    )


def _with_missing(numbers: Floats) -> Floats:
    """Replace zeros that mean "none" by NaN.

    An ask, a last price, a close or a volatility of zero is missing; a bid of zero means nobody
    bids, which counts only beside an ask. If one Greek is missing, all are.
    """
    for place in (_ASK, _LAST, _CLOSE, _VOLATILITY):
        numbers[place][numbers[place] == 0.0] = np.nan
    numbers[_BID][(numbers[_BID] == 0.0) & np.isnan(numbers[_ASK])] = np.nan
    numbers[_GREEKS, np.isnan(numbers[_GREEKS]).any(axis=0)] = np.nan
    return numbers


def not_computed(numbers: Floats) -> Flags:
    """True where the vendor computed no Greeks: no volatility, and zero for all but the delta."""
    theta, gamma, vega = numbers[_THETA], numbers[_DELTA + 1], numbers[_DELTA + 3]
    volatility = numbers[_VOLATILITY]
    unknown = (volatility == 0.0) | np.isnan(volatility)
    result: Flags = unknown & (theta == 0.0) & (gamma == 0.0) & (vega == 0.0)
    return result


def forget_uncomputed(numbers: Floats) -> None:
    """Set the Greeks a vendor did not compute to missing, in place."""
    numbers[_GREEKS, not_computed(numbers)] = np.nan


def _nothing_usable(
    source: str, instrument_key: str, expiry: date, rejected: Sequence[RejectedRow]
) -> MalformedResponse:
    reason = f", {rejected[0].reason}" if rejected else ""
    logger.warning("chain_unusable", source=source, rejected=len(rejected), reason=reason)
    return MalformedResponse(
        f"{source}: no usable contract of {instrument_key[:64]} {expiry} "
        f"({len(rejected)} rejected{reason}).",
        provider=source,
    )
