"""Build valued position rows with the best known Greeks, keeping their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q

from greeks.domain import Greeks, GreeksSource, InstrumentKind, Quote
from greeks.models import ContractGreeks, Instrument
from greeks.underlyings import key_of_row
from portfolio.amounts import fitting_amount, greek_number, spot_number, volatility_number
from portfolio.book.checked import CheckedPositions
from portfolio.book.cross_check import value_conflict
from portfolio.book.day_fills import change_of_the_day
from portfolio.book.position_row import KnownPosition, PositionKey, PositionRow, stored_positions
from portfolio.book.writing_context import WritingContext
from portfolio.domain import BrokerPosition

GREEK_FIELDS = (
    "delta", "gamma", "theta", "vega", "iv",
    "delta_raw", "gamma_raw", "theta_raw", "vega_raw", "iv_raw",
    "underlying_price", "greeks_source", "greeks_as_of", "greeks_last_known",
)  # fmt: skip


def build_positions(
    *,
    received: CheckedPositions,
    instruments: Mapping[str, Instrument],
    known: Mapping[PositionKey, KnownPosition],
    context: WritingContext,
) -> list[PositionRow]:
    """Build rows for the received positions that are held. At most two queries.

    Options without fresh Greeks keep the last known ones, marked.
    """
    rows = []
    for key, position in zip(received.keys, received.kept, strict=True):
        instrument = instruments[key]
        earlier = known.get((instrument.pk, position.sub_key))
        row = _identity_row(position, instrument, earlier, context)
        _value(row, context.market.quotes.get(key), position, earlier, context)
        _fill_greeks(row, instrument, context)
        rows.append(row)
    _keep_last_known(rows, instruments, known, context)
    return rows


def revalue_positions(
    *,
    stored: Iterable[PositionRow],
    keys: Mapping[int, str],
    instruments: Mapping[str, Instrument],
    context: WritingContext,
) -> list[PositionRow]:
    """Apply fresh quotes and Greeks to stored rows, keeping quantity and cost. For Greeks
    refreshes."""
    rows = []
    for row in stored:
        key = keys.get(row.instrument_id)
        if key is None:
            continue
        quote = context.market.quotes.get(key)
        if quote is not None and quote.price is not None:
            if not _is_same_session(row, quote.as_of, context):
                # Yesterday's open says nothing of today's change.
                row.opening_price = row.previous_close = None
            _apply_quote(row, quote, opening=row.opening_price)
            _revalue(row, context)
        fresh = key in context.market.greeks
        if fresh or row.delta_raw is None:
            _fill_greeks(row, instruments[key], context)
        row.dte = _dte(row.expiry, context)
        rows.append(row)
    _keep_last_known(rows, instruments, {}, context)
    return rows


def _is_same_session(row: PositionRow, quoted_at: datetime, context: WritingContext) -> bool:
    stored_at = row.price_as_of
    if stored_at is None or stored_at == quoted_at:
        return stored_at is not None
    date_at = context.sessions.of(row.currency).date_at
    return date_at(stored_at) == date_at(quoted_at)


def _identity_row(
    position: BrokerPosition,
    instrument: Instrument,
    earlier: KnownPosition | None,
    context: WritingContext,
) -> PositionRow:
    contract = position.contract
    return PositionRow(
        id=earlier.id if earlier is not None else None,
        account_id=context.account.pk,
        instrument_id=instrument.pk,
        sub_key=position.sub_key,
        symbol=contract.symbol,
        underlying=contract.underlying,
        instrument_type=contract.kind.value,
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right.value if contract.right and contract.is_option else "",
        multiplier=contract.multiplier,
        currency=contract.currency,
        quantity=position.quantity,
        avg_price=position.average_price,
        dte=_dte(contract.expiry, context),
        source=position.source[:24],
        as_of=position.as_of,
        raw_json=dict(position.raw or {}),
        timestamp=context.at,
    )


def _dte(expiry: date | None, context: WritingContext) -> int | None:
    return (expiry - context.today).days if expiry is not None else None


def _value(
    row: PositionRow,
    quote: Quote | None,
    position: BrokerPosition,
    earlier: KnownPosition | None,
    context: WritingContext,
) -> None:
    """Price the row from its quote, else from what came with the position."""
    opening = None
    if earlier is not None:
        date_at = context.sessions.of(row.currency).date_at
        same_session = earlier.price_as_of is not None and (
            date_at(earlier.price_as_of) == date_at(context.market_at)
        )
        opening = earlier.opening_price if same_session else None
        row.previous_close = earlier.previous_close if same_session else None
    row.previous_close = position.previous_close or row.previous_close
    if quote is not None and quote.price is not None:
        _apply_quote(row, quote, opening=opening)
    else:
        row.price = position.price
        row.price_source = position.source[:24] if position.price is not None else ""
        row.price_as_of = position.as_of if position.price is not None else None
        row.opening_price = opening
    _revalue(row, context)
    row.value_conflict = value_conflict(position, row.price, quote)[:128]
    if row.market_value is None or row.instrument_type == InstrumentKind.FUTURE.value:
        row.market_value = position.market_value or row.market_value
    if row.unrealized_pnl is None:
        row.unrealized_pnl = position.unrealized_pnl


def _apply_quote(row: PositionRow, quote: Quote, *, opening: Decimal | None) -> None:
    row.price = fitting_amount(quote.price)
    row.price_source = f"{quote.source[:20]} mid" if quote.is_mark_outside else quote.source[:24]
    row.price_as_of = quote.as_of
    row.opening_price = quote.opening_price if quote.opening_price is not None else opening
    if quote.previous_close is not None:
        row.previous_close = quote.previous_close


def _revalue(row: PositionRow, context: WritingContext) -> None:
    """Compute market value, profit and the change of the day."""
    size = row.quantity * row.multiplier
    price = row.price
    row.market_value = fitting_amount(price * size) if price is not None else None
    row.unrealized_pnl = (
        fitting_amount((price - row.avg_price) * size)
        if price is not None and row.avg_price is not None
        else None
    )
    date_at = context.sessions.of(row.currency).date_at
    row.daily_change = change_of_the_day(
        row,
        context.fills.get(row.instrument_id, ()),
        session=date_at(context.market_at),
        session_date_at=date_at,
    )


def _fill_greeks(row: PositionRow, instrument: Instrument, context: WritingContext) -> None:
    if row.instrument_type == InstrumentKind.EVENT:
        return
    if not row.right:
        # The underlying has delta 1 by definition and no other Greeks.
        row.delta, row.delta_raw = Decimal(1), 1.0
        for name in ("gamma", "theta", "vega"):
            setattr(row, name, Decimal(0))
            setattr(row, f"{name}_raw", 0.0)
        row.underlying_price = row.price
        return
    greeks = context.market.greeks.get(instrument.key)
    if greeks is not None:
        set_greeks(row, greeks)
    is_on_future = row.instrument_type == InstrumentKind.FUTURE_OPTION
    if greeks is not None and greeks.underlying_price and is_on_future:
        # Its own month, which is not always known by its identity.
        return
    spot = context.market.spots.get(key_of_row(instrument))
    if spot is not None:
        row.underlying_price = spot_number(spot)


def set_greeks(row: PositionRow, greeks: Greeks) -> None:
    """Copy Greeks onto the row, both rounded for display and raw."""
    row.delta, row.delta_raw = greek_number(greeks.delta), greeks.delta
    row.gamma, row.gamma_raw = greek_number(greeks.gamma), greeks.gamma
    row.theta, row.theta_raw = greek_number(greeks.theta), greeks.theta
    row.vega, row.vega_raw = greek_number(greeks.vega), greeks.vega
    row.iv = volatility_number(greeks.implied_volatility)
    row.iv_raw = greeks.implied_volatility
    row.underlying_price = spot_number(greeks.underlying_price)
    row.greeks_source = greeks.source
    row.greeks_as_of = greeks.as_of
    row.greeks_last_known = False


def _keep_last_known(
    rows: Sequence[PositionRow],
    instruments: Mapping[str, Instrument],
    known: Mapping[PositionKey, KnownPosition],
    context: WritingContext,
) -> None:
    """Fill options without Greeks from their last stored row, else from the shared cache.

    An expired option gets none: its last Greeks no longer mean anything. Of an adjusted option only
    the model's count.
    """
    adjusted = {row.pk for row in instruments.values() if row.is_adjusted}
    expired = {
        row.pk
        for row in instruments.values()
        if row.expires_at is not None and row.expires_at <= context.market_at
    }
    without = [
        row
        for row in rows
        if row.right and row.delta_raw is None and row.instrument_id not in expired
    ]
    stored = stored_positions(
        context.account.pk, ids=[known[row.key].id for row in without if row.key in known]
    )
    missing: list[PositionRow] = []
    for row in without:
        earlier = stored.get(row.key)
        if (
            earlier is not None
            and earlier.delta_raw is not None
            and (row.instrument_id not in adjusted or earlier.greeks_source == GreeksSource.MODEL)
        ):
            for name in GREEK_FIELDS:
                setattr(row, name, getattr(earlier, name))
            row.greeks_last_known = True
        else:
            missing.append(row)
    if not missing:
        return
    complete = Q(delta_raw__isnull=False, gamma_raw__isnull=False, vega_raw__isnull=False)
    cache = ContractGreeks.objects.filter(
        complete, instrument__in=[row.instrument_id for row in missing]
    ).in_bulk()
    keys = {instrument.pk: key for key, instrument in instruments.items()}
    for row in missing:
        cached = cache.get(row.instrument_id)
        partial = context.market.partial.get(keys.get(row.instrument_id, ""))
        if cached is not None and (
            row.instrument_id not in adjusted or cached.source == GreeksSource.MODEL
        ):
            set_greeks(row, _from_cache(cached))
            row.greeks_last_known = True
        elif partial is not None:
            set_greeks(row, partial)


def _from_cache(cached: ContractGreeks) -> Greeks:
    values: dict[str, Any] = {
        name: getattr(cached, f"{name}_raw")
        for name in ("delta", "gamma", "theta", "vega", "implied_volatility")
    }
    spot = cached.underlying_price
    return Greeks(
        source=cached.source,
        as_of=cached.as_of,
        underlying_price=None if spot is None else float(spot),
        **values,
    )
