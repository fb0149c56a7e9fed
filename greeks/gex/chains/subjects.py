"""The underlyings whose gamma exposure is computed: polled ones and those of ``GEX_SYMBOLS``."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from config.core.errors import NotFound
from greeks.calendar.exchanges import NYSE, exchange_named
from greeks.gex.chains.assembling import Terms
from greeks.models import PolledInstrument
from greeks.polling.instruments import enabled_instruments
from greeks.polling.terms import chain_rate
from greeks.pricing.rates import risk_free_rate

POLLED = "polled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An underlying. ``source``: ``polled``, the provider whose whole chain is fetched, or
    ``service``.

    ``instrument`` is its polled row, if it has one.
    """

    symbol: str
    name: str
    source: str
    simulated: bool
    terms: Terms
    instrument: PolledInstrument | None


def group_of(symbol: str) -> str:
    """Return the hub group that announces a symbol's snapshots."""
    return f"gex.{symbol.lower()}"


def source_of(symbol: str) -> str:
    """Return where a symbol's exposure comes from."""
    return settings.GEX_SOURCE if symbol in _fetched() else POLLED


def _fetched() -> list[str]:
    upper = (symbol.strip().upper() for symbol in settings.GEX_SYMBOLS)
    return list(dict.fromkeys(symbol for symbol in upper if symbol))


def gex_subjects() -> tuple[Subject, ...]:
    """Return all, in the picker's order, the symbols of the setting last. One query."""
    polled: dict[str, PolledInstrument] = {}
    for each in enabled_instruments():
        polled.setdefault(each.underlying.upper(), each)
    fetched = _fetched()
    symbols = [*(symbol for symbol in polled if symbol not in fetched), *fetched]
    return tuple(_subject(symbol, polled.get(symbol)) for symbol in symbols)


def subject_named(symbol: str | None) -> Subject:
    """Return the subject of a symbol, the first one by default. Raises ``NotFound``."""
    subjects = gex_subjects()
    asked = None if symbol is None else symbol.upper()
    for each in subjects:
        if asked in (None, each.symbol):
            return each
    if symbol is None:
        raise NotFound("No gamma exposure is computed yet: no chain is polled, none is set.")
    known = ", ".join(each.symbol for each in subjects) or "none"
    raise NotFound(f"No gamma exposure is computed for {symbol[:32]!r}. Known: {known}.")


def _subject(symbol: str, instrument: PolledInstrument | None) -> Subject:
    if instrument is None:
        return Subject(
            symbol=symbol,
            name=symbol,
            source=source_of(symbol),
            simulated=settings.DEMO,
            terms=Terms(
                underlying=symbol,
                currency=NYSE.currency,
                exchange=NYSE,
                rate=risk_free_rate(NYSE.currency).value,
            ),
            instrument=None,
        )
    return Subject(
        symbol=symbol,
        name=instrument.name,
        source=source_of(symbol),
        simulated=instrument.simulated,
        terms=Terms(
            underlying=symbol,
            currency=instrument.currency,
            exchange=exchange_named(instrument.exchange),
            rate=chain_rate(instrument),
        ),
        instrument=instrument,
    )
