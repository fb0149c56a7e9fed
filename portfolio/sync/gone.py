"""Delete what the broker no longer lists, unless a rejected row may be about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from greeks.domain import RejectedRow
from greeks.instruments.identity import instrument_key
from greeks.models import Instrument, InstrumentAlias
from portfolio.book.checked import CheckedPositions
from portfolio.book.position_row import KnownPosition, PositionKey, PositionRow, stored_positions
from portfolio.models import Order, Position
from portfolio.sync.checks import SENT_TWICE
from portfolio.sync.quarantine import IDENTITY_FIELDS, identities_named


def delete_gone_positions(
    *,
    account_id: str,
    known: Mapping[PositionKey, KnownPosition],
    written: Iterable[PositionRow],
    answer: CheckedPositions,
) -> list[PositionRow]:
    """Delete stored positions missing from the answer; return those kept as last good.

    A rejected row may be one of our positions with a damaged value, so whatever it names stays. If
    it names nothing trustworthy, only positions the broker reports closed are deleted.
    """
    present = {row.key for row in written}
    ids = [position.id for key, position in known.items() if key not in present]
    gone = list(stored_positions(account_id, ids=ids).values())
    # A repeated row hides nothing: its first copy was read.
    refused = [
        row for row in answer.rejected if row.kind == "position" and SENT_TWICE not in row.reason
    ]
    suspicious = bool(refused or answer.unsettled)
    protected = _protected(gone, refused, answer) if gone and suspicious else set()
    delete = [row.id for row in gone if row.id is not None and row.id not in protected]
    if delete:
        Position.objects.filter(pk__in=delete).delete()
    return [row for row in gone if row.id in protected]


def delete_gone_orders(
    *, account_id: str, present: Collection[str], refused: Sequence[RejectedRow]
) -> None:
    """Delete orders no longer listed, except those named by a rejected row."""
    names: set[str] = set()
    for row in refused:
        if not _is_trusted(row):
            return
        names |= identities_named(row.payload)
    gone = Order.objects.filter(account_id=account_id).exclude(
        broker_order_id__in=[*present, *names]
    )
    gone.delete()


def _protected(
    gone: Sequence[PositionRow], refused: Sequence[RejectedRow], answer: CheckedPositions
) -> set[int | None]:
    keys = dict(
        Instrument.objects.filter(pk__in=[row.instrument_id for row in gone]).values_list(
            "pk", "key"
        )
    )
    closed = {(instrument_key(item.contract), item.sub_key) for item in answer.flat}
    doubtful = [row for row in gone if (keys[row.instrument_id], row.sub_key) not in closed]
    if not all(_is_trusted(row) for row in refused):
        return {row.id for row in doubtful}
    named: set[str] = set()
    for refused_row in refused:
        named |= identities_named(refused_row.payload)
    names = {row.instrument_id: _forms(row.symbol) for row in doubtful}
    for instrument_id, alias in InstrumentAlias.objects.filter(
        instrument__in=list(names)
    ).values_list("instrument_id", "key"):
        names[instrument_id].add(alias)
    return {
        row.id
        for row in doubtful
        if named & names[row.instrument_id]
        or (keys[row.instrument_id], row.sub_key) in answer.unsettled
    }


def _is_trusted(row: RejectedRow) -> bool:
    """Return whether the row names its subject and was not rejected for that name."""
    field = row.reason.split(":", 1)[0]
    return field not in IDENTITY_FIELDS and bool(identities_named(row.payload))


def _forms(symbol: str) -> set[str]:
    return {symbol, symbol.replace(" ", ""), symbol.strip()}
