"""Scripted faults of the gateway: frames changed, held back or cut, and its overall state."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from config.core.sandbox.faults import take_due
from portfolio.sandbox.ibkr_socket.frames import Fields, text

#: ``message`` of the handshake's answer, which has no number of its own.
HANDSHAKE = 0


@dataclass(slots=True, kw_only=True)
class FrameFault:
    """One scripted fault of outgoing frames.

    ``message`` is the message number it acts on (None: all; 0: the handshake's answer), ``match`` a
    regular expression searched in the fields joined by commas. The fault acts on matching messages
    from number ``after`` on (0 = the first), ``times`` times (None: for ever). In order, it waits
    ``delay`` seconds; keeps the frame back (``drop``: for good, ``hold``: until released); sets
    fields by position (``replace``); sends ``half`` of the frame and closes; declares another
    ``length``; sends ``garbage`` (hexadecimal) instead of the frame; disconnects afterwards
    (``disconnect``).
    """

    message: int | None = None
    match: str = ""
    after: int = 0
    times: int | None = 1
    delay: float = 0.0
    drop: bool = False
    hold: bool = False
    replace: Mapping[int, str] = field(default_factory=dict)
    half: bool = False
    length: int | None = None
    garbage: str = ""
    disconnect: bool = False
    seen: int = 0
    acted: int = 0

    def __post_init__(self) -> None:
        try:
            re.compile(self.match)
        except re.error as error:
            raise ValueError(
                f"match: {self.match!r} is not a regular expression: {error}"
            ) from None
        try:
            self.replace = {int(place): str(value) for place, value in self.replace.items()}
            bytes.fromhex(self.garbage)
        except (ValueError, AttributeError) as error:
            raise ValueError(f"replace or garbage: {error}") from None

    def matches(self, message: int, joined: str) -> bool:
        return self.message in (None, message) and re.search(self.match, joined) is not None

    def changed(self, outgoing: Fields) -> Fields:
        """Return the fields with the replacements. Raises ValueError for a missing position."""
        if not self.replace:
            return outgoing
        result = list(outgoing)
        for place, value in self.replace.items():
            if not 0 <= place < len(result):
                raise ValueError(f"replace: message {outgoing[0]} has no field {place}")
            result[place] = value
        return tuple(result)


@dataclass(slots=True, kw_only=True)
class GatewayState:
    """The gateway's state, until it is changed.

    ``server_version``: the handshake's version, whatever the client asked for. ``silent``: nothing
    more is sent, connections stay open. ``empty_book``: no positions, orders or executions.
    ``live_data``: real-time data is subscribed (else error 354, or delayed data if requested).
    ``underlying_data``: without it a model computation has only sentinels. ``naive_times``:
    execution times are in the gateway's zone without naming it. ``refuse_order_reads``: the
    read-only API also refuses to list orders. ``execution_days``: the days the trade log shows.
    """

    server_version: int | None = None
    silent: bool = False
    empty_book: bool = False
    live_data: bool = True
    underlying_data: bool = True
    naive_times: bool = False
    refuse_order_reads: bool = False
    execution_days: int = 1


class GatewayFaults:
    """The active faults. Any thread may change them while the gateway serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frame_faults: list[FrameFault] = []
        self.state = GatewayState()

    def add(self, **wanted: Any) -> FrameFault:
        """Script a frame fault. The newest one acts first. Raises ValueError, TypeError."""
        unknown = set(wanted) - SCRIPTABLE
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        fault = FrameFault(**wanted)
        with self._lock:
            self._frame_faults.insert(0, fault)
        return fault

    def change(self, **wanted: Any) -> GatewayState:
        """Change the gateway's state; the fields are those of :class:`GatewayState`.

        Raises ValueError naming an unknown field or one of the wrong type.
        """
        known = {item.name: item for item in fields(GatewayState)}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"unknown: {name}")
            expected = bool if isinstance(known[name].default, bool) else int
            optional = value is None and known[name].default is None
            if not optional and type(value) is not expected:
                raise ValueError(f"{name}: {value!r} is not {expected.__name__}")
        with self._lock:
            self.state = GatewayState(**(asdict(self.state) | wanted))
        return self.state

    def clear(self) -> None:
        """Remove all faults and restore the gateway's initial state."""
        with self._lock:
            self._frame_faults.clear()
            self.state = GatewayState()

    def stop_holding(self) -> None:
        """Remove the faults that hold frames back."""
        with self._lock:
            self._frame_faults = [fault for fault in self._frame_faults if not fault.hold]

    def take(self, outgoing: Fields, *, message: int) -> FrameFault | None:
        """Return the fault that acts on this frame, if any. Every matching fault counts it."""
        with self._lock:
            if not self._frame_faults:
                return None
            joined = ",".join(map(text, outgoing))
            return take_due(f for f in self._frame_faults if f.matches(message, joined))


SCRIPTABLE = {item.name for item in fields(FrameFault)} - {"seen", "acted"}
