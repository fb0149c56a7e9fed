"""One channel of a dxLink connection: its format, its subscriptions and its last events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from greeks.domain import Contract
from greeks.sandbox.market import Market
from portfolio.sandbox.dxlink.events import EVENT_FIELDS, NAN, Event, contract_of, event_of

SHORTEST_PERIOD: Final = 0.1
LONGEST_PERIOD: Final = 60.0
EVENTS_A_FRAME: Final = 100
# They change with the clock alone, so they do not make a new event.
_TIMES: Final = frozenset({"eventTime", "time", "bidTime", "askTime", "index"})

Message = dict[str, Any]


class Channel:
    """A FEED channel. Events are conflated: each look sends the newest value of each change."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.period = SHORTEST_PERIOD
        self.compact = False
        self.fields: dict[str, tuple[str, ...]] = dict(EVENT_FIELDS)
        self._subscribed: dict[tuple[str, str], Contract | None] = {}
        self._sent: dict[tuple[str, str], Mapping[str, Any]] = {}

    def configure(self, wanted: Mapping[str, Any]) -> Message:
        """Apply a FEED_SETUP and return the FEED_CONFIG with what was accepted."""
        period = wanted.get("acceptAggregationPeriod")
        if isinstance(period, int | float):
            self.period = min(max(float(period), SHORTEST_PERIOD), LONGEST_PERIOD)
        self.compact = wanted.get("acceptDataFormat") == "COMPACT"
        self.adopt(wanted.get("acceptEventFields"))
        message: Message = {
            "type": "FEED_CONFIG",
            "channel": self.number,
            "aggregationPeriod": self.period,
            "dataFormat": "COMPACT" if self.compact else "FULL",
        }
        if self.compact:
            message["eventFields"] = {kind: list(names) for kind, names in self.fields.items()}
        return message

    def adopt(self, fields: object) -> None:
        """Send these fields in this order from now on; unknown ones are ignored."""
        if not isinstance(fields, Mapping):
            return
        for kind, names in fields.items():
            known = EVENT_FIELDS.get(kind, ())
            kept = tuple(name for name in names if name in known)
            if kept:
                self.fields[kind] = kept

    def subscribe(self, message: Mapping[str, Any], market: Market) -> None:
        """Apply a FEED_SUBSCRIPTION: ``reset``, then ``remove``, then ``add``."""
        if message.get("reset"):
            self._subscribed.clear()
            self._sent.clear()
        for name in _entries(message.get("remove")):
            self._subscribed.pop(name, None)
            self._sent.pop(name, None)
        for name in _entries(message.get("add")):
            if name[0] in EVENT_FIELDS:
                self._subscribed[name] = contract_of(market, name[1])
                self._sent.pop(name, None)

    def changed(self, market: Market) -> list[Message]:
        """Return FEED_DATA messages with the changes since the last look. Called from a thread."""
        # The connection's loop subscribes meanwhile: a copy is one step, a walk over items is not.
        subscribed = self._subscribed.copy()
        wanted = {name: contract for name, contract in subscribed.items() if contract}
        contracts = list({contract.symbol: contract for contract in wanted.values()}.values())
        quotes = {quote.contract.symbol: quote for quote in market.quotes(contracts)}
        events: dict[str, list[Event]] = {}
        for name, contract in wanted.items():
            event = event_of(*name, quotes[contract.symbol], market)
            if event is None:
                continue
            value = {field: inner for field, inner in event.items() if field not in _TIMES}
            if self._sent.get(name) != value and name in self._subscribed:
                self._sent[name] = value
                events.setdefault(name[0], []).append(event)
        return [
            self._data(kind, of_kind[start : start + EVENTS_A_FRAME])
            for kind, of_kind in events.items()
            for start in range(0, len(of_kind), EVENTS_A_FRAME)
        ]

    def _data(self, kind: str, events: list[Event]) -> Message:
        message: Message = {"type": "FEED_DATA", "channel": self.number}
        if self.compact:
            names = self.fields[kind]
            flat = [event.get(name, NAN) for event in events for name in names]
            return message | {"data": [kind, flat]}
        return message | {"data": [{"eventType": kind} | event for event in events]}


def _entries(entries: object) -> Iterable[tuple[str, str]]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            yield str(entry.get("type")), str(entry.get("symbol"))
