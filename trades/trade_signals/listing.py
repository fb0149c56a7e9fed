"""The list of signals, filtered by the address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters, whole_number
from config.core.errors import InvalidInput
from portfolio.accounts.access import accounts_visible_to
from trades.models import ShadowPosition, Trade, TradeFill, TradeSignal
from trades.strategies.trade import total
from trades.trade_signals.reading import midnight_of, signals_of, sources_of
from trades.trade_signals.states import Status

FILTERS: Final = frozenset({"status", "source", "symbol", "taken", "start", "end", "page"})
ROWS_A_PAGE: Final = 50
#: Trades offered to tie a signal to.
MOST_TRADES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFilter:
    """Which signals a page shows."""

    status: str = ""
    source: int | None = None
    symbol: str = ""
    taken: str = ""
    start: date | None = None
    end: date | None = None
    page: int = 1


@dataclass(slots=True, kw_only=True)
class Row:
    """A signal as listed, with its legs and the trade that followed."""

    signal: TradeSignal
    legs: list[ShadowPosition]
    trade: Trade | None

    @property
    def shadow_pnl(self) -> Decimal | None:
        """The sum over the legs; ``None`` if one is not known."""
        return total(leg.pnl for leg in self.legs)

    @property
    def net(self) -> Decimal | None:
        """What the trade that followed has realised."""
        return self.trade.net if self.trade else None

    @property
    def currency(self) -> str:
        return self.legs[0].instrument.currency if self.legs else ""


def read_signal_filter(parameters: QueryParameters) -> SignalFilter:
    """Parse the address. Raises InvalidInput naming the parameter."""
    source = parameters.text("source")
    number = None if source is None else whole_number(source)
    if source is not None and number is None:
        raise InvalidInput("source: Not a source.", fields={"source": "Not a source."})
    return SignalFilter(
        status=parameters.choice("status", ("", *Status.values), default=""),
        source=number,
        symbol=(parameters.text("symbol") or "").upper(),
        taken=parameters.choice("taken", ("", "yes", "no"), default=""),
        start=parameters.date("start"),
        end=parameters.date("end"),
        page=parameters.integer("page", default=1, minimum=1, maximum=1_000_000),
    )


def list_signals(user: User, asked: SignalFilter) -> Page[TradeSignal]:
    """Return one page of the user's signals, newest first."""
    found: QuerySet[TradeSignal] = signals_of(user)
    if asked.status:
        found = found.filter(status=asked.status)
    if asked.source is not None:
        found = found.filter(source__in=sources_of(user).filter(pk=asked.source).values("pk"))
    if asked.symbol:
        found = found.filter(underlying=asked.symbol) | found.filter(symbol=asked.symbol)
    if asked.taken:
        found = found.filter(opening__isnull=asked.taken == "no")
    if asked.start is not None:
        found = found.filter(created_at__gte=midnight_of(user, asked.start))
    if asked.end is not None:
        found = found.filter(created_at__lt=midnight_of(user, asked.end) + timedelta(days=1))
    return Paginator(found, ROWS_A_PAGE).get_page(asked.page)


def rows_of(signals: Collection[TradeSignal]) -> list[Row]:
    """Return signals with their legs and trades. Three queries for any number."""
    legs: dict[int, list[ShadowPosition]] = {}
    held = ShadowPosition.objects.filter(signal__in=[signal.pk for signal in signals])
    for leg in held.select_related("instrument").order_by("pk"):
        legs.setdefault(leg.signal_id, []).append(leg)
    trades = trades_opened_by([signal.opening_id for signal in signals if signal.opening_id])
    return [
        Row(
            signal=signal,
            legs=legs.get(signal.pk, []),
            trade=trades.get(signal.opening_id or 0),
        )
        for signal in signals
    ]


def trades_opened_by(openings: Collection[int]) -> dict[int, Trade]:
    """Return the trade that each opening belongs to now. Two queries."""
    if not openings:
        return {}
    homes = {key: key for key in openings}
    opened = TradeFill.objects.filter(key__in=list(openings), role=TradeFill.Role.OPEN.value)
    homes |= dict(opened.values_list("key", "trade_id"))
    trades = Trade.objects.in_bulk(set(homes.values()))
    return {key: trades[home] for key, home in homes.items() if home in trades}


def trades_to_tie(user: User | AnonymousUser, signal: TradeSignal) -> QuerySet[Trade]:
    """Return the trades of the signal's underlying that may have followed it, newest first."""
    return Trade.objects.filter(
        account__in=accounts_visible_to(user), underlying=signal.underlying
    ).order_by("-opened_at")[:MOST_TRADES]
