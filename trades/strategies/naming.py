"""Name the strategy that legs form. Names are those of the Options Industry Council's glossary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from greeks.domain import InstrumentKind, Right
from trades.strategies.opening import LegContract

ZERO = Decimal(0)
#: A long call that stands in for shares has at least this many days left.
_STANDS_IN_FOR_SHARES = 180
Leg = tuple[LegContract, Decimal]


class Strategy(StrEnum):
    """What legs form together. Stored, shown and filtered by."""

    STOCK = "stock"
    FUTURE = "future"
    SINGLE = "single"
    COVERED = "covered"
    PROTECTIVE = "protective"
    COLLAR = "collar"
    VERTICAL = "vertical"
    IRON_CONDOR = "iron_condor"
    CONDOR = "condor"
    BUTTERFLY = "butterfly"
    STRADDLE = "straddle"
    STRANGLE = "strangle"
    CALENDAR = "calendar"
    DIAGONAL = "diagonal"
    DOUBLE_DIAGONAL = "double_diagonal"
    RATIO_SPREAD = "ratio_spread"
    BACK_SPREAD = "back_spread"
    JADE_LIZARD = "jade_lizard"
    BOX = "box"
    PMCC = "pmcc"
    WHEEL = "wheel"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Named:
    """A strategy, and its words with the side."""

    strategy: Strategy
    words: str


def name_strategy(
    held: Mapping[LegContract, Decimal], *, on: date, other_units: Decimal = ZERO
) -> Named:
    """Name what these signed quantities form on a day.

    ``other_units`` are units of the underlying that the account holds beside them, free to cover
    a short call (positive) or a short put (negative).
    """
    options = sorted(
        ((contract, quantity) for contract, quantity in held.items() if contract.is_option),
        key=lambda leg: (leg[0].strike or ZERO, leg[0].expiry or on, leg[0].right or "", leg[0].id),
    )
    units = sum((c.units * q for c, q in held.items() if not c.is_option), ZERO)
    if not options:
        return _outright(held)
    if units:
        return _with_units(options, units) or _custom(held)
    if len(options) == 1:
        covered = other_units and _with_units(options, other_units)
        return covered if covered and covered.strategy is Strategy.COVERED else _single(options[0])
    named = {2: _two, 3: _three, 4: _four}.get(len(options), lambda _legs, _on: None)(options, on)
    collar = other_units and _with_units(options, other_units)
    if collar and collar.strategy is Strategy.COLLAR:
        return collar
    return named or _custom(held)


def _custom(held: Mapping[LegContract, Decimal]) -> Named:
    return Named(Strategy.CUSTOM, f"Custom, {len(held)} legs")


def _outright(held: Mapping[LegContract, Decimal]) -> Named:
    if len(held) != 1:
        return _custom(held)
    ((contract, quantity),) = held.items()
    words = contract.kind.value.replace("_", " ")
    kind = Strategy.FUTURE if contract.kind is InstrumentKind.FUTURE else Strategy.STOCK
    return Named(kind, f"{_side(quantity)} {words}")


def _side(quantity: Decimal) -> str:
    return "Long" if quantity > 0 else "Short"


def _right(leg: Leg) -> str:
    return "call" if leg[0].right is Right.CALL else "put"


def _single(leg: Leg) -> Named:
    return Named(Strategy.SINGLE, f"{_side(leg[1])} {_right(leg)}")


def _with_units(options: list[Leg], units: Decimal) -> Named | None:
    """Name options together with shares or futures that they are written or bought against."""
    sign = 1 if units > 0 else -1
    if any(abs(c.units * q) > abs(units) for c, q in options):
        return None
    shorts = [leg for leg in options if leg[1] < 0]
    longs = [leg for leg in options if leg[1] > 0]
    # A long call is to short shares what a long put is to long ones.
    written, bought = (Right.CALL, Right.PUT) if sign > 0 else (Right.PUT, Right.CALL)
    if [leg[0].right for leg in shorts] == [written]:
        if not longs:
            return Named(Strategy.COVERED, f"Covered {_right(shorts[0])}")
        if [leg[0].right for leg in longs] == [bought] and longs[0][1] == -shorts[0][1]:
            return Named(Strategy.COLLAR, "Collar")
    if not shorts and [leg[0].right for leg in longs] == [bought]:
        return Named(Strategy.PROTECTIVE, f"Protective {_right(longs[0])}")
    if not longs and {leg[0].right for leg in shorts} == {Right.CALL, Right.PUT}:
        return Named(Strategy.COVERED, "Covered strangle")
    return None


def _two(legs: list[Leg], on: date) -> Named | None:
    (low, first), (high, second) = legs
    one_expiry = low.expiry == high.expiry
    if low.right is not high.right:
        return _call_and_put(legs, one_expiry=one_expiry)
    if first * second > 0:
        return None
    words = f"{_right(legs[0])}".capitalize()
    if first == -second:
        if one_expiry:
            is_credit = (second < 0) == (low.right is Right.PUT)
            return Named(Strategy.VERTICAL, f"{words} {'credit' if is_credit else 'debit'} spread")
        if low.strike == high.strike:
            return Named(Strategy.CALENDAR, f"{words} calendar")
        return _diagonal(legs, words, on)
    if not one_expiry:
        return None
    more_written = (abs(first) > abs(second)) == (first < 0)
    if more_written:
        return Named(Strategy.RATIO_SPREAD, f"{words} ratio spread")
    return Named(Strategy.BACK_SPREAD, f"{words} back spread")


def _call_and_put(legs: list[Leg], *, one_expiry: bool) -> Named | None:
    (low, first), (high, second) = legs
    if first == second and one_expiry:
        if low.strike == high.strike:
            return Named(Strategy.STRADDLE, f"{_side(first)} straddle")
        return Named(Strategy.STRANGLE, f"{_side(first)} strangle")
    if first == -second and one_expiry:
        call = next(leg for leg in legs if leg[0].right is Right.CALL)
        if low.strike == high.strike:
            return Named(Strategy.CUSTOM, f"Synthetic {_side(call[1]).lower()} stock")
        return Named(Strategy.CUSTOM, "Risk reversal")
    return None


def _diagonal(legs: list[Leg], words: str, on: date) -> Named:
    bought, _ = max(legs, key=lambda leg: leg[1])
    written, _ = min(legs, key=lambda leg: leg[1])
    if (
        bought.right is Right.CALL
        and bought.expiry is not None
        and written.expiry is not None
        and written.expiry < bought.expiry
        and (bought.strike or ZERO) < (written.strike or ZERO)
        and (bought.expiry - on).days >= _STANDS_IN_FOR_SHARES
    ):
        return Named(Strategy.PMCC, "Poor man's covered call")
    return Named(Strategy.DIAGONAL, f"{words} diagonal")


def _three(legs: list[Leg], on: date) -> Named | None:
    if len({contract.expiry for contract, _ in legs}) != 1:
        return None
    quantities = [quantity for _, quantity in legs]
    if len({contract.right for contract, _ in legs}) == 1:
        first, middle, last = quantities
        if first == last and middle == -2 * first:
            return Named(Strategy.BUTTERFLY, f"{_side(first)} {_right(legs[0])} butterfly")
        return None
    if len({abs(quantity) for quantity in quantities}) != 1:
        return None
    signs = [("P" if c.right is Right.PUT else "C", q > 0) for c, q in legs]
    if signs == [("P", False), ("C", False), ("C", True)]:
        return Named(Strategy.JADE_LIZARD, "Jade lizard")
    if signs == [("P", True), ("P", False), ("C", False)]:
        return Named(Strategy.JADE_LIZARD, "Reverse jade lizard")
    return None


def _four(legs: list[Leg], on: date) -> Named | None:
    if len({abs(quantity) for _, quantity in legs}) != 1:
        return None
    puts = [leg for leg in legs if leg[0].right is Right.PUT]
    calls = [leg for leg in legs if leg[0].right is Right.CALL]
    expiries = {contract.expiry for contract, _ in legs}
    if len(expiries) == 1 and len(puts) in (0, 4):
        outer = legs[0][1]
        if [quantity for _, quantity in legs] == [outer, -outer, -outer, outer]:
            return Named(Strategy.CONDOR, f"{_side(outer)} {_right(legs[0])} condor")
        return None
    if len(puts) != 2 or any(sum((q for _, q in pair), ZERO) for pair in (puts, calls)):
        return None
    if len(expiries) == 1:
        return _two_verticals(puts, calls)
    if len(expiries) == 2 and all(pair[0][0].expiry != pair[1][0].expiry for pair in (puts, calls)):
        level = all(pair[0][0].strike == pair[1][0].strike for pair in (puts, calls))
        words = "Double calendar" if level else "Double diagonal"
        return Named(Strategy.DOUBLE_DIAGONAL, words)
    return None


def _two_verticals(puts: list[Leg], calls: list[Leg]) -> Named | None:
    (low_put, first_put), (high_put, _) = puts
    (low_call, first_call), (high_call, _) = calls
    if (low_put.strike, high_put.strike) == (low_call.strike, high_call.strike):
        if first_put == -first_call:
            return Named(Strategy.BOX, f"{_side(first_call)} box")
        return None
    if first_put != -first_call or (high_put.strike or ZERO) > (low_call.strike or ZERO):
        return None
    side = "" if first_put > 0 else "Reverse "
    words = "iron butterfly" if high_put.strike == low_call.strike else "iron condor"
    strategy = Strategy.BUTTERFLY if high_put.strike == low_call.strike else Strategy.IRON_CONDOR
    return Named(strategy, f"{side}{words}".capitalize())


def quantity_of(held: Mapping[LegContract, Decimal]) -> Decimal:
    """Return how often a strategy is held: what its option legs have in common, else units."""
    options = [abs(quantity) for contract, quantity in held.items() if contract.is_option]
    counted = options or [abs(quantity) for quantity in held.values()]
    common = counted[0]
    for quantity in counted[1:]:
        while quantity:
            common, quantity = quantity, common % quantity
    return common
