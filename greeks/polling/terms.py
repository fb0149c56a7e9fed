"""The terms that all contracts of a chain share: when it ends, and how it is exercised."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from greeks.domain import Contract, InstrumentKind
from greeks.models import PolledInstrument
from greeks.pricing.expiry import exercise_style, expiry_instant, known_closes

# The weekly roots of an index settle at the close, its monthly ones in the morning: a chain that
# mixes both ends with the later.
_LAST_ROOT = {"SPX": "SPXW", "NDX": "NDXP", "RUT": "RUTW"}


def chain_expires_at(instrument: PolledInstrument, expiry: date) -> datetime:
    """The instant at which the last contract of the chain expires (UTC)."""
    return chains_expire_at(instrument, [expiry])[expiry]


def chains_expire_at(
    instrument: PolledInstrument, expiries: Iterable[date]
) -> dict[date, datetime]:
    """``chain_expires_at`` of many expiries: the calendar is looked up once."""
    contracts = {expiry: _contract(instrument, expiry) for expiry in expiries}
    closes = known_closes(contracts.values())
    # A contract with an expiry date always has an instant.
    return {
        expiry: expiry_instant(contract, closes)
        or datetime.combine(expiry, datetime.max.time(), tzinfo=UTC)
        for expiry, contract in contracts.items()
    }


def chain_is_american(instrument: PolledInstrument, expiry: date) -> bool:
    """Whether its contracts may be exercised early."""
    return exercise_style(_contract(instrument, expiry)) == "american"


def _contract(instrument: PolledInstrument, expiry: date) -> Contract:
    """A contract that stands for the chain: what differs by strike plays no part."""
    root = _LAST_ROOT.get(instrument.underlying, instrument.underlying)
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=root,
        underlying=instrument.underlying,
        root=root,
        multiplier=Decimal(1),
        currency=instrument.currency,
        expiry=expiry,
    )
