"""Bodies of the API of trades."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from config.core.api.shapes import Double, Moment, Number, Shape, about


class TradeItem(Shape, kw_only=True):
    id: Annotated[str, about("The execution that opened it, in its first revision: stable.")]
    account_id: str
    underlying: str
    strategy: Annotated[str, about("What was opened.")]
    name: str
    open_name: Annotated[str | None, about("What is open now.")]
    status: Annotated[str, about("open, awaiting (the statement) or closed.")]
    outcome: Annotated[str | None, about("won, lost or even; null while open or unknown.")]
    opened_at: Moment | None
    closed_at: Moment | None
    quantity: Double
    currency: str
    premium: Annotated[
        Number, about("Cash of the openings before costs, a credit positive; null for futures.")
    ]
    gross: Annotated[Number, about("Realised before costs.")]
    costs: Annotated[Double, about("All that was paid so far.")]
    net: Annotated[Number, about("Realised after costs; null if nothing was, or if unknown.")]
    unknown_closes: Annotated[int, about("Closed lots whose opening is not known.")]
    chain: Annotated[str, about("Key of the first trade of those that rolled into each other.")]
    review: str
    tags: list[str]
    notes: int


class TradeTotals(Shape, kw_only=True):
    currency: str
    trades: int
    open: int
    wins: int
    losses: int
    unknown: int
    gross: Number
    costs: Number
    net: Number
    win_rate: Annotated[Number, about("Wins of wins and losses, a fraction.")]


class TradeList(Shape, kw_only=True):
    trades: list[TradeItem]
    totals: Annotated[list[TradeTotals], about("Of all that was asked for, by currency.")]
    count: int
    is_cut: Annotated[
        bool, about("More than 10,000: only the first of them are counted, listed and summed.")
    ]
    page: int
    pages: int


class TradeLegItem(Shape, kw_only=True):
    symbol: str
    quantity: Annotated[Double, about("All that was opened, signed.")]
    open_quantity: Double
    opened_at: Moment | None
    closed_at: Moment | None
    closed_kind: str | None
    awaiting: Annotated[bool, about("Ended provisionally: the broker has not told how.")]
    open_price: Number
    close_price: Number
    costs: Double
    gross: Number
    net: Number


class TradeFillItem(Shape, kw_only=True):
    execution_id: str
    role: str
    symbol: str
    kind: str
    side: str | None
    quantity: Annotated[Double, about("Of the lot that it opened or closed, signed.")]
    price: Number
    execution_time: Moment
    order_id: str


class TradeNoteItem(Shape, kw_only=True):
    id: str
    text: str
    author: str | None
    created_at: Moment
    updated_at: Moment


class TradeNotes(Shape):
    notes: list[TradeNoteItem]


class TradeNoteWrite(Shape):
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class TradeReviewWrite(Shape):
    review: Literal["new", "reviewed", "follow_up"]
    tags: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=50)]


class TradeReviewed(TradeReviewWrite, kw_only=True):
    id: str


class TradeDetail(TradeItem, kw_only=True):
    legs: list[TradeLegItem]
    fills: list[TradeFillItem]
    note_list: list[TradeNoteItem]


class NewestFill(Shape, kw_only=True):
    id: str
    account_id: str
    symbol: str
    kind: str
    side: str | None
    quantity: Annotated[Double, about("Signed: bought is positive.")]
    price: Number
    commission: Number
    currency: str
    execution_time: Moment


class NewestFills(Shape, kw_only=True):
    fills: list[NewestFill]
