"""dxFeed events as our quotes and Greeks: the newest values of each followed contract.

Units as sent are ours, as in Tastytrade's REST answers, which pass on the same feed: volatility a
fraction, theta per calendar day, vega and rho per percentage point. ``"NaN"`` and ``"Infinity"``
are missing. An unreadable event is counted and skipped: the contract's next one follows within
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import structlog

from config.core.clock import market_now
from greeks.domain import Contract, Greeks, GreeksSource, Quote, Snapshot
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_integer,
    parse_milliseconds,
    parse_text,
)
from greeks.providers.possible import possible_quote, read_greeks

logger = structlog.get_logger(__name__)

SOURCE: Final = GreeksSource.TASTYTRADE.value
#: The fields we ask for of each event. FEED_CONFIG says which come, and in what order.
WANTED_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Quote": ("eventSymbol", "bidTime", "bidPrice", "askTime", "askPrice"),
    "Greeks": (
        "eventSymbol", "eventFlags", "time", "volatility", "delta", "gamma", "theta", "vega",
    ),
    "Trade": ("eventSymbol", "time", "price", "dayVolume"),
    "Summary": ("eventSymbol", "dayOpenPrice", "prevDayClosePrice", "openInterest"),
}  # fmt: skip
# The event withdraws the contract's value (dxFeed, IndexedEvent).
_REMOVE_EVENT: Final = 0x2


def kinds_of(contract: Contract) -> tuple[str, ...]:
    """Return the event types of a contract."""
    return tuple(kind for kind in WANTED_FIELDS if contract.is_option or kind != "Greeks")


@dataclass(slots=True)
class LatestValues:
    """The newest values of one contract. Missing is ``None``."""

    contract: Contract
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    opening_price: Decimal | None = None
    previous_close: Decimal | None = None
    volume: int | None = None
    open_interest: int | None = None
    quoted_at: datetime | None = None
    traded_at: datetime | None = None
    greeks: Greeks | None = None
    faults: tuple[str, ...] = ()

    def snapshot(self) -> Snapshot:
        as_of = self.quoted_at or self.traded_at
        quote = None
        if as_of is not None:
            quote = Quote(
                contract=self.contract,
                source=SOURCE,
                as_of=as_of,
                bid=self.bid,
                ask=self.ask,
                last=self.last,
                opening_price=self.opening_price,
                previous_close=self.previous_close,
                volume=self.volume,
                open_interest=self.open_interest,
            )
        return Snapshot(
            contract=self.contract,
            quote=quote and possible_quote(quote),
            greeks=self.greeks,
            faults=self.faults,
        )


@dataclass(slots=True)
class FeedCounts:
    """Counts since the process started."""

    frames: int = 0
    events: int = 0
    rejected_events: int = 0
    bad_frames: int = 0
    unknown_messages: int = 0
    connections: int = 0


@dataclass(slots=True)
class LatestMarket:
    """The newest values of the followed contracts, by streamer symbol, and which have changed."""

    counts: FeedCounts
    values: dict[str, LatestValues] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def follow(self, contracts: Mapping[str, Contract]) -> None:
        """Follow exactly these; contracts that stay keep their values."""
        for symbol in self.values.keys() - contracts.keys():
            del self.values[symbol]
        for symbol, contract in contracts.items():
            if symbol in self.values:
                self.values[symbol].contract = contract
            else:
                self.values[symbol] = LatestValues(contract)

    def take_changed(self) -> dict[str, Snapshot]:
        """Return snapshots of the contracts whose values changed since the last call."""
        taken, self.changed = self.changed, set()
        return {symbol: self.values[symbol].snapshot() for symbol in taken & self.values.keys()}

    def give_back(self, symbols: Mapping[str, Snapshot]) -> None:
        """Mark values that could not be stored as changed again, in their newest form."""
        self.changed |= symbols.keys()

    def apply(self, data: list[Any], orders: Mapping[str, list[str]]) -> int:
        """Apply the events of one FEED_DATA message; return how many were good."""
        good = 0
        for kind, row in self._rows(data, orders):
            try:
                self._take(kind, row)
            except BadRow as error:
                self._reject(error.reason, kind)
            else:
                good += 1
        self.counts.events += good
        return good

    def _rows(
        self, data: list[Any], orders: Mapping[str, list[str]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if data and all(isinstance(row, dict) for row in data):
            for row in data:
                yield str(row.get("eventType")), row
            return
        if len(data) % 2:
            self._reject("a kind without its values", "")
            return
        for kind, flat in zip(data[::2], data[1::2], strict=True):
            order = orders.get(kind) if isinstance(kind, str) else None
            if not order or not isinstance(flat, list) or len(flat) % len(order):
                self._reject("values that do not fit the order of fields", str(kind)[:24])
                continue
            for start in range(0, len(flat), len(order)):
                yield kind, dict(zip(order, flat[start : start + len(order)], strict=True))

    def _take(self, kind: str, row: Mapping[str, Any]) -> None:
        symbol = parse_text(row.get("eventSymbol"), "eventSymbol", required=True, maximum=64)
        values = self.values.get(symbol)
        if values is None:
            # An event in flight when its subscription ended.
            return
        reader = _READERS.get(kind)
        if reader is None:
            raise BadRow(f"eventType: {kind[:24]!r} was not asked for")
        reader(values, row)
        self.changed.add(symbol)

    def _reject(self, reason: str, kind: str) -> None:
        self.counts.rejected_events += 1
        logger.debug("dxlink_event_rejected", kind=kind, reason=reason)


def _read_quote(values: LatestValues, row: Row) -> None:
    bid, ask = (parse_decimal(row.get(name), name) for name in ("bidPrice", "askPrice"))
    times = [moment for name in ("bidTime", "askTime") if (moment := _moment(row, name))]
    values.bid, values.ask = bid, ask
    values.quoted_at = max(times, default=None) or market_now()


def _read_trade(values: LatestValues, row: Row) -> None:
    last, moment = parse_decimal(row.get("price"), "price"), _moment(row, "time")
    volume = parse_decimal(row.get("dayVolume"), "dayVolume")
    values.last = last
    values.traded_at = moment or market_now()
    values.volume = None if volume is None else int(volume.to_integral_value(ROUND_DOWN))


def _read_summary(values: LatestValues, row: Row) -> None:
    opening = parse_decimal(row.get("dayOpenPrice"), "dayOpenPrice")
    previous = parse_decimal(row.get("prevDayClosePrice"), "prevDayClosePrice")
    interest = parse_integer(row.get("openInterest"), "openInterest")
    values.opening_price, values.previous_close = opening, previous
    # Shares have no open interest: the zero means that.
    values.open_interest = interest if values.contract.is_option else None


def _read_greeks(values: LatestValues, row: Row) -> None:
    flags = parse_integer(row.get("eventFlags"), "eventFlags") or 0
    if flags & _REMOVE_EVENT or not values.contract.is_option:
        values.greeks, values.faults = None, ()
        return
    sent = {name: row.get(name) for name in ("delta", "gamma", "theta", "vega")}
    sent["implied_volatility"] = row.get("volatility")
    moment, faults = _moment(row, "time") or market_now(), list[str]()
    values.greeks = read_greeks(sent, source=SOURCE, as_of=moment, faults=faults)
    values.faults = tuple(faults)


_READERS: Final[Mapping[str, Callable[[LatestValues, Row], None]]] = {
    "Quote": _read_quote,
    "Trade": _read_trade,
    "Summary": _read_summary,
    "Greeks": _read_greeks,
}


def _moment(row: Row, name: str) -> datetime | None:
    """Parse milliseconds; zero is missing."""
    value = row.get(name)
    return None if value == 0 and value is not False else parse_milliseconds(value, name)
