"""The terms all contracts of a chain share: expiry and exercise."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.expiry import expiry_instant, known_closes
from greeks.instruments.products import exercise_style
from greeks.models import PolledInstrument
from greeks.pricing.rates import risk_free_rate

# An index's weekly roots settle at the close, its monthly ones in the morning: a chain with both
# ends with the later.
LAST_ROOT = {
    "SPX": "SPXW",
    "NDX": "NDXP",
    "RUT": "RUTW",
    **{index: f"{index}W" for index in ("CBTX", "MBTX", "MGTN")},
}


def chain_expires_at(instrument: PolledInstrument, expiry: date) -> datetime:
    """Return the instant the chain's last contract expires (UTC)."""
    return chains_expire_at(instrument, [expiry])[expiry]


def chains_expire_at(
    instrument: PolledInstrument, expiries: Iterable[date]
) -> dict[date, datetime]:
    """Return ``chain_expires_at`` of many expiries with one calendar lookup."""
    contracts = {expiry: _contract(instrument, expiry) for expiry in expiries}
    closes = known_closes(contracts.values())
    # A contract with an expiry date always has an instant.
    return {
        expiry: expiry_instant(contract, closes)
        or datetime.combine(expiry, datetime.max.time(), tzinfo=UTC)
        for expiry, contract in contracts.items()
    }


def chain_is_american(instrument: PolledInstrument, expiry: date) -> bool:
    """Return whether its contracts can be exercised early."""
    return exercise_style(_contract(instrument, expiry)) != "european"


def chain_rate(instrument: PolledInstrument) -> float:
    """Return the discount rate: the instrument's own, else its currency's."""
    own = instrument.rate
    return risk_free_rate(instrument.currency).value if own is None else own


def _contract(instrument: PolledInstrument, expiry: date) -> Contract:
    """Return a contract that stands for the chain; terms that differ by strike do not matter."""
    root = LAST_ROOT.get(instrument.underlying, instrument.underlying)
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=root,
        underlying=instrument.underlying,
        root=root,
        multiplier=Decimal(1),
        currency=instrument.currency,
        expiry=expiry,
    )
