"""Whose gamma exposure is computed: the polled instruments and the symbols of ``GEX_SYMBOLS``."""

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
    """An underlying. ``source``: ``polled``, or the provider whose whole chain is fetched.

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


def gex_subjects() -> tuple[Subject, ...]:
    """Return all, in the picker's order, the symbols of the setting last. One query."""
    polled: dict[str, PolledInstrument] = {}
    for each in enabled_instruments():
        polled.setdefault(each.underlying.upper(), each)
    fetched = dict.fromkeys(symbol.strip().upper() for symbol in settings.GEX_SYMBOLS)
    symbols = [*(symbol for symbol in polled if symbol not in fetched), *fetched]
    return tuple(
        _subject(symbol, polled.get(symbol), is_fetched=symbol in fetched)
        for symbol in symbols
        if symbol
    )


def subject_named(symbol: str | None) -> Subject:
    """Return the subject of a symbol, the first one by default. Raises ``NotFound``."""
    subjects = gex_subjects()
    asked = None if symbol is None else symbol.upper()
    for each in subjects:
        if asked in (None, each.symbol):
            return each
    known = ", ".join(each.symbol for each in subjects) or "none"
    raise NotFound(
        f"No gamma exposure is computed for {(symbol or 'any symbol')[:32]!r}. Known: {known}."
    )


def _subject(symbol: str, instrument: PolledInstrument | None, *, is_fetched: bool) -> Subject:
    if instrument is None:
        return Subject(
            symbol=symbol,
            name=symbol,
            source=settings.GEX_SOURCE,
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
        source=settings.GEX_SOURCE if is_fetched else POLLED,
        simulated=instrument.simulated,
        terms=Terms(
            underlying=symbol,
            currency=instrument.currency,
            exchange=exchange_named(instrument.exchange),
            rate=chain_rate(instrument),
        ),
        instrument=instrument,
    )
