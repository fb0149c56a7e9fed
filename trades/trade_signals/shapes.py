"""Bodies of signals. Field names are those of the dashboard's sections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from config.core.api import shapes as base
from config.core.api.shapes import Double, Moment, Number, Shape, about, one_of
from trades.models import TradeSignal

_Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
_Quantity = Annotated[float, Meta(gt=0, le=1_000_000)]


class SignalLegSent(Shape, kw_only=True):
    symbol: Annotated[_Symbol, about("A ticker, or an option's OCC symbol.")]
    quantity: Annotated[
        Annotated[float, Meta(ge=-100_000, le=100_000)], about("Signed: bought is positive.")
    ]


class SignalSent(Shape, kw_only=True):
    symbol: _Symbol
    direction: Annotated[str, one_of(TradeSignal.Direction)]
    quantity: _Quantity = 1.0
    legs: Annotated[
        Annotated[list[SignalLegSent], Meta(max_length=12)],
        about("Of one unit. Without any: the symbol itself."),
    ] = []
    expires_at: Moment | None = None
    account_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    order_reference: Annotated[
        Annotated[str, Meta(max_length=64)], about("The order's own id or reference.")
    ] = ""
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    note: Annotated[str, Meta(max_length=500)] = ""


class Signal(Shape, kw_only=True):
    id: str
    source: str
    symbol: str
    direction: Annotated[str, one_of(TradeSignal.Direction)]
    status: Annotated[str, one_of(TradeSignal.Status)]
    created_at: base.Moment
    expires_at: base.Moment | None
    confidence: float | UnsetType = UNSET


class ShadowPosition(Shape, kw_only=True):
    id: str
    symbol: str
    quantity: Double
    entry_price: Double
    current_price: Number
    pnl: Number
    currency: Annotated[str, about("Of the prices and the P&L.")]
    status: Annotated[str, about("open or closed")]
    signal_id: str
    source: str
    opened_at: datetime


class ExitSignal(Shape, kw_only=True):
    id: str
    position_id: Annotated[str | None, about("null once the broker shows no position.")]
    signal_type: str
    timestamp: datetime
    status: Annotated[str, about("active or executed")]


class SourcePerformance(Shape, kw_only=True):
    source: str
    currency: str
    signals: Annotated[int, about("Received in the days.")]
    taken: Annotated[int, about("Of these, followed by a trade.")]
    trades: Annotated[int, about("Closed in the days, of known profit: what the figures are of.")]
    wins: int
    losses: int
    win_rate: Number
    avg_pnl: Number
    expectancy: Number
    expectancy_r: Number
    total_pnl: Number
    shadow_pnl: Annotated[Number, about("Of the shadow positions of the signals of the days.")]
    shadow_signals: Annotated[int, about("With a shadow result of every leg.")]
    edge: Annotated[Number, about("Mean of a trade's net less its shadow's, sized alike.")]
    edge_trades: int
    slippage: Annotated[Number, about("Mean money a trade was entered worse than at the mid.")]
    slippage_trades: int


QueuedSignals = list[Signal]
ShadowPositions = list[ShadowPosition]
ExitSignals = list[ExitSignal]
SourcePerformances = list[SourcePerformance]
