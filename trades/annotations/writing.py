"""Users' notes, tags, reviews and regroupings of trades.

Nothing here touches a fill or a lot. Each change is kept with who made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from django.db import transaction

from auth_tokens.models import User
from config.core.errors import InvalidInput
from portfolio.models import Account
from trades.lots.store import rebuild_lots
from trades.models import (
    JournalSettings,
    Trade,
    TradeExecution,
    TradeFill,
    TradeNote,
    TradeOverride,
    TradeReview,
    TradeTag,
)
from trades.models.annotation import Annotation
from trades.strategies.store import rebuild_account_trades, store_regrouped

LONGEST_NOTE = 10_000
MOST_TAGS = 20
_TAG = re.compile(r"[\w][\w .&+/-]{0,31}")


@transaction.atomic
def add_note(*, user: User, trade: Trade, text: str) -> TradeNote:
    """Keep a note on a trade. Raises InvalidInput if it is empty or too long."""
    note = TradeNote(opening_id=trade.key, created_by=user, text=_note(text))
    _save(note, user)
    return note


@transaction.atomic
def change_note(*, user: User, note: TradeNote, text: str) -> None:
    """Replace a note's words; without any, remove it. What it said before is kept."""
    if not text.strip():
        _delete(note, user)
        return
    note.text = _note(text)
    _save(note, user)


@transaction.atomic
def set_review(*, user: User, trades: Iterable[Trade], state: str) -> int:
    """Set the state of review of trades; return how many changed."""
    if state not in TradeReview.State.values:
        known = ", ".join(TradeReview.State.values)
        raise InvalidInput("No such state of review.", fields={"state": f"one of {known}"})
    keys = [trade.key for trade in trades]
    rows = {row.opening_id: row for row in TradeReview.objects.filter(opening__in=keys)}
    changed = 0
    for key in keys:
        row = rows.get(key) or TradeReview(opening_id=key, created_by=user)
        if row.state != state:
            row.state = state
            _save(row, user)
            changed += 1
    return changed


@transaction.atomic
def set_tags(*, user: User, trade: Trade, names: Iterable[str]) -> None:
    """Give a trade exactly these tags, wherever in it they were given."""
    wanted = parse_tags(names)
    keys = opening_keys(trade)
    for row in TradeTag.objects.filter(opening__in=keys):
        if row.name in wanted:
            wanted.discard(row.name)
        else:
            _delete(row, user)
    for name in sorted(wanted):
        _save(TradeTag(opening_id=trade.key, created_by=user, name=name), user)


@transaction.atomic
def add_tag(*, user: User, trades: Iterable[Trade], name: str) -> int:
    """Tag trades; return how many did not have the tag."""
    (tag,) = parse_tags([name]) or {""}
    if not tag:
        raise InvalidInput("A tag needs a name.", fields={"tag": "Empty."})
    keys = [trade.key for trade in trades]
    tagged = set(
        TradeTag.objects.filter(opening__in=keys, name=tag).values_list("opening_id", flat=True)
    )
    new = [key for key in keys if key not in tagged]
    for key in new:
        _save(TradeTag(opening_id=key, created_by=user, name=tag), user)
    return len(new)


def parse_tags(names: Iterable[str]) -> set[str]:
    """Return tags in small letters. Raises InvalidInput naming one that cannot be."""
    tags = {" ".join(name.lower().split()) for name in names} - {""}
    for tag in sorted(tags):
        if not _TAG.fullmatch(tag):
            raise InvalidInput(
                f"{tag[:40]!r} is no tag.",
                fields={"tags": "letters, digits and . & + / - , at most 32 characters"},
            )
    if len(tags) > MOST_TAGS:
        raise InvalidInput("Too many tags.", fields={"tags": f"at most {MOST_TAGS}"})
    return tags


def opening_keys(trade: Trade) -> set[int]:
    """Return the keys of a trade's openings: a note on one belongs to the trade."""
    opened = trade.fills.filter(role=TradeFill.Role.OPEN.value).values_list("key", flat=True)
    return {trade.key, *opened}


@transaction.atomic
def set_lot_method(*, user: User, account: Account, method: str) -> None:
    """Choose how an account's lots are matched, and compute its lots and trades again.

    Raises InvalidInput for a method that does not exist.
    """
    if method not in JournalSettings.Method.values:
        known = ", ".join(JournalSettings.Method.values)
        raise InvalidInput("No such method.", fields={"method": f"one of {known}"})
    row = JournalSettings.objects.filter(account=account).first()
    row = row or JournalSettings(account=account)
    row.lot_method = method
    row._history_user = user  # type: ignore[attr-defined]
    row.save()
    rebuild_lots(account)
    rebuild_account_trades(account)


# --- What belongs together ---
@transaction.atomic
def merge_trades(*, user: User, trades: Sequence[Trade]) -> None:
    """Make one trade of several of an account and underlying.

    Raises:
        InvalidInput: fewer than two, or of different accounts, underlyings or currencies.
    """
    first, *others = sorted(
        trades, key=lambda trade: (trade.opened_at or trade.closed_at, trade.key)
    )
    same = {(trade.account_id, trade.underlying, trade.currency) for trade in trades}
    if not others or len(same) != 1:
        raise InvalidInput(
            "Choose two trades or more of one account, underlying and currency.",
            fields={"trades": "of one account, underlying and currency"},
        )
    for trade in others:
        _override(user, trade.key, kind=TradeOverride.Kind.JOIN, anchor=first.key)
    _regroup(trades)


@transaction.atomic
def split_trade(*, user: User, trade: Trade, keys: Iterable[int]) -> None:
    """Take openings out of a trade into one of their own, under the first of them.

    Raises:
        InvalidInput: nothing, everything or a fill of another trade is to be taken out.
    """
    own = opening_keys(trade)
    chosen = sorted(set(keys))
    if not chosen or not set(chosen) < own:
        raise InvalidInput(
            "Choose some of the trade's opening fills, not all.", fields={"fills": "some, not all"}
        )
    _keep_together(user, sorted(own - set(chosen)), without=chosen)
    _move(user, chosen, anchor=chosen[0])
    _regroup([trade])


@transaction.atomic
def move_fills(*, user: User, trade: Trade, keys: Iterable[int], to: Trade) -> None:
    """Assign opening fills of a trade to another one of the account and underlying."""
    chosen = sorted(set(keys))
    if not chosen or not set(chosen) <= opening_keys(trade):
        raise InvalidInput("Choose some of the trade's opening fills.", fields={"fills": "none"})
    if (to.account_id, to.underlying, to.currency) != (
        trade.account_id, trade.underlying, trade.currency,
    ) or to == trade:  # fmt: skip
        raise InvalidInput(
            "Fills move between trades of one account and underlying.", fields={"to": "another"}
        )
    _move(user, chosen, anchor=to.key)
    _regroup([trade, to])


@transaction.atomic
def group_automatically(*, user: User, trades: Sequence[Trade]) -> int:
    """Take back what readers said on the grouping of these trades; return how many words."""
    keys = {key for trade in trades for key in opening_keys(trade)}
    rows = list(TradeOverride.objects.filter(opening__in=keys))
    for row in rows:
        _delete(row, user)
    _regroup(trades)
    return len(rows)


def _move(user: User, keys: Sequence[int], *, anchor: int) -> None:
    for key in keys:
        _override(user, key, kind=TradeOverride.Kind.MOVE, anchor=anchor)


def _keep_together(user: User, keys: Sequence[int], *, without: Sequence[int]) -> None:
    """Let what readers put together stay so when the fills that held it leave the trade."""
    words = {row.opening_id: row for row in TradeOverride.objects.filter(opening__in=keys)}
    if not words and not TradeOverride.objects.filter(opening__in=without).exists():
        return
    first, *others = keys
    word = words.get(first)
    if word is not None and word.anchor_id in without:
        if word.kind == TradeOverride.Kind.JOIN.value:
            _delete(word, user)
        else:
            _move(user, [first], anchor=first)
    for key in others:
        word = words.get(key)
        if word is None or word.anchor_id in without:
            kind = TradeOverride.Kind.JOIN if word is None else TradeOverride.Kind(word.kind)
            _override(user, key, kind=kind, anchor=first)


def _override(user: User, key: int, *, kind: TradeOverride.Kind, anchor: int) -> None:
    row = TradeOverride.objects.filter(opening=key).first()
    row = row or TradeOverride(opening_id=key, created_by=user)
    row.kind, row.anchor_id = kind.value, anchor
    _save(row, user)


def _regroup(trades: Sequence[Trade]) -> None:
    accounts = {trade.account_id for trade in trades}
    list(Account.objects.select_for_update().filter(pk__in=accounts).order_by("pk"))
    store_regrouped(TradeExecution.objects.filter(pk__in=[trade.key for trade in trades]))


# --- History ---
def _note(text: str) -> str:
    words = text.replace("\r\n", "\n").replace("\0", "").strip()
    if not words or len(words) > LONGEST_NOTE:
        raise InvalidInput(
            "A note has some words.", fields={"text": f"1 to {LONGEST_NOTE} characters"}
        )
    return words


def _save(row: Annotation, user: User) -> None:
    row._history_user = user  # type: ignore[attr-defined]
    row.save()


def _delete(row: Annotation, user: User) -> None:
    row._history_user = user  # type: ignore[attr-defined]
    row.delete()
