"""Receive signals, from a source's webhook or entered by a user."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from django.db import IntegrityError, transaction

from auth_tokens.models import User
from config.core.api.shapes import read_shape
from config.core.clock import market_now
from config.core.errors import Conflict, invalid
from greeks.models import Instrument
from greeks.providers.decoding import SMALLEST_STEP
from greeks.underlyings import product_name
from portfolio.accounts.access import account_for_user
from trades.models import ShadowPosition, SignalChange, SignalSource, TradeSignal
from trades.trade_signals.announcing import tell_after_commit
from trades.trade_signals.contracts import belongs, find_instruments, listed_symbol
from trades.trade_signals.shapes import SignalSent

#: A larger body is no signal.
LARGEST_BODY: Final = 16 * 1024
#: No date of any zone is later.
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A signal, and whether it had been received before."""

    signal: TradeSignal
    is_repeated: bool


def receive_signal(*, source: SignalSource, values: Any, idempotency_key: str | None) -> Received:
    """Record what a source sent, once for each idempotency key.

    A body is the same if the same would be stored, however it is written: a source that tries again
    may write it anew.

    Raises:
        InvalidInput: naming the field; nothing is recorded.
        Conflict: the key was used with another body.
    """
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        problem = "Expected 1 to 128 printable characters without spaces."
        raise invalid("Idempotency-Key", problem)
    sent = read_shape(SignalSent, values)
    digest = _digest(sent)
    earlier = _earlier(source, idempotency_key, digest)
    if earlier is not None:
        return earlier
    try:
        signal = _create(
            source=source,
            sent=sent,
            reason="Received from the source",
            key=idempotency_key or "",
            digest=digest,
        )
    except IntegrityError:
        # The same key arrived twice at once: the other one is recorded.
        earlier = _earlier(source, idempotency_key, digest)
        if earlier is None:
            raise
        return earlier
    return Received(signal=signal, is_repeated=False)


def enter_signal(*, user: User, source: SignalSource, values: Mapping[str, Any]) -> TradeSignal:
    """Record a signal that a user entered. Raises InvalidInput naming the field."""
    sent = read_shape(SignalSent, dict(values))
    return _create(source=source, sent=sent, reason="Entered by hand", user=user)


def _digest(sent: SignalSent) -> str:
    """Return the SHA-256 of what would be stored, without asking whether it may be now."""
    stored = [
        listed_symbol(_symbol("symbol", sent.symbol)),
        sent.direction,
        str(_amount("quantity", sent.quantity)),
        sorted((listed_symbol(leg.symbol), str(leg.amount)) for leg in _legs(sent)),
        # Not in UTC: at the calendar's ends there is none.
        str(_LAST - sent.expires_at) if sent.expires_at else None,
        sent.account_id,
        sent.order_reference.strip(),
        sent.confidence,
        sent.note.strip(),
    ]
    return hashlib.sha256(json.dumps(stored).encode()).hexdigest()


def _earlier(source: SignalSource, key: str | None, digest: str) -> Received | None:
    if key is None:
        return None
    signal = TradeSignal.objects.filter(source=source, idempotency_key=key).first()
    if signal is None:
        return None
    if signal.body_digest != digest:
        raise Conflict("This Idempotency-Key was used with another body.")
    return Received(signal=signal, is_repeated=True)


@transaction.atomic
def _create(
    *,
    source: SignalSource,
    sent: SignalSent,
    reason: str,
    key: str = "",
    digest: str = "",
    user: User | None = None,
) -> TradeSignal:
    at = market_now()
    for name in ("order_reference", "note"):
        if not getattr(sent, name).isprintable():
            raise invalid(name, "Holds characters that cannot be printed.")
    if sent.expires_at is not None and not at < sent.expires_at < _LAST:
        raise invalid("expires_at", "In the past." if sent.expires_at <= at else "Too far away.")
    symbol = _symbol("symbol", sent.symbol)
    units = _amount("quantity", sent.quantity)
    legs = _legs(sent)
    instruments = _instruments(symbol, legs)
    account = account_for_user(source.owner, sent.account_id) if sent.account_id else None
    signal = TradeSignal.objects.create(
        source=source,
        idempotency_key=key,
        body_digest=digest,
        account=account,
        symbol=symbol,
        underlying=product_name(instruments[0].underlying),
        direction=sent.direction,
        quantity=units,
        order_reference=sent.order_reference.strip(),
        confidence=sent.confidence,
        note=sent.note.strip(),
        created_at=at,
        expires_at=sent.expires_at,
    )
    SignalChange.objects.create(
        signal=signal, after=TradeSignal.Status.QUEUED, at=at, reason=reason, user=user
    )
    ShadowPosition.objects.bulk_create(
        ShadowPosition(signal=signal, instrument=instrument, quantity=leg.amount)
        for instrument, leg in zip(instruments, legs, strict=True)
    )
    tell_after_commit([source.owner_id])
    return signal


@dataclass(frozen=True, slots=True)
class _Leg:
    """A contract by its symbol, the field that names it, and its signed amount of all units."""

    field: str
    symbol: str
    amount: Decimal


def _legs(sent: SignalSent) -> list[_Leg]:
    """Return what a signal holds. Without legs the symbol itself is the leg."""
    units = _amount("quantity", sent.quantity)
    if not sent.legs:
        is_long = sent.direction == TradeSignal.Direction.LONG.value
        return [_Leg("symbol", _symbol("symbol", sent.symbol), units if is_long else -units)]
    legs = []
    for number, leg in enumerate(sent.legs):
        field, amount = f"legs.{number}.symbol", f"legs.{number}.quantity"
        total = _amount(amount, _amount(amount, leg.quantity) * units)
        legs.append(_Leg(field, _symbol(field, leg.symbol), total))
    return legs


def _instruments(symbol: str, legs: Sequence[_Leg]) -> list[Instrument]:
    """Return the contract of each leg. Raises InvalidInput naming the field."""
    found = find_instruments([(leg.field, leg.symbol) for leg in legs])
    seen: set[int] = set()
    at = market_now()
    for leg, instrument in zip(legs, found, strict=True):
        if instrument.pk in seen:
            raise invalid(leg.field, "The same contract as another leg.")
        if instrument.expires_at is not None and instrument.expires_at <= at:
            raise invalid(leg.field, "Expired.")
        seen.add(instrument.pk)
    if len({product_name(instrument.underlying) for instrument in found}) > 1:
        raise invalid("legs", "Of several underlyings: send a signal for each.")
    if len({instrument.currency for instrument in found}) > 1:
        raise invalid("legs", "In several currencies.")
    if not belongs(symbol, found):
        raise invalid("symbol", f"The legs are of {product_name(found[0].underlying)}.")
    return found


def _symbol(field: str, text: str) -> str:
    """Return a symbol as it is stored. In ASCII, capitals are as long as what was sent."""
    symbol = text.strip()
    if not symbol or not symbol.isascii() or not symbol.isprintable():
        raise invalid(field, "Not a symbol.")
    return symbol.upper()


def _amount(field: str, number: float | Decimal) -> Decimal:
    amount = Decimal(str(number)).quantize(SMALLEST_STEP)
    if not amount:
        raise invalid(field, "Zero." if not number else "Too small.")
    return amount
