"""Daily bars, as ``reqHistoricalData`` sends them."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from greeks.domain import Contract
from greeks.sandbox.market import Market
from greeks.sandbox.sessions import EXCHANGES, instant, is_trading_day, local_date, sessions_of
from portfolio.sandbox.ibkr_socket.contracts import NOT_FOUND, ContractLookup, WantedContract
from portfolio.sandbox.ibkr_socket.frames import Field
from portfolio.sandbox.ibkr_socket.session import Handler, Session, ignore

_DAYS = {"D": 1.0, "W": 7.0, "M": 30.4375, "Y": 365.25}
_SHOWN = ("TRADES", "MIDPOINT", "ADJUSTED_LAST", "BID", "ASK")
_LONGEST_YEARS = 15
#: Requests in ten minutes before a pacing violation.
PACED_REQUESTS, PACED_SECONDS = 60, 600.0
# High and low are taken from this many prices of a session.
_LOOKS_A_DAY = 14


class HistoryDesk:
    """Bar requests. Only daily bars are simulated; betas need no others."""

    def __init__(self, market: Market, lookup: ContractLookup, *, limits: bool) -> None:
        self._market = market
        self._lookup = lookup
        self._limits = limits
        self._asked_at: deque[float] = deque()

    def handlers(self) -> Mapping[int, Handler]:
        return {20: self._request, 25: ignore}

    def _request(self, session: Session, fields: list[str]) -> None:
        request_id, wanted = int(fields[1]), WantedContract.read(fields[2:14])
        until, bar_size, duration, shown = fields[15], fields[16], fields[17], fields[19]
        if self._too_many():
            _refuse(session, request_id, 162, "Historical data request pacing violation")
            return
        found = self._lookup.find(wanted)
        if len(found) != 1:
            session.error(request_id, 200, NOT_FOUND)
            return
        if bar_size != "1 day" or shown not in _SHOWN:
            _refuse(session, request_id, 162, f"HMDS query returned no data: {bar_size} {shown}")
            return
        length = re.fullmatch(r"(\d{1,4}) ([DWMY])", duration)
        if length is None:
            session.error(
                request_id,
                321,
                "Error validating request.-'bS' : cause - Historical data request for this "
                "duration is not possible",
            )
            return
        end = self._end(until)
        days = int(length[1]) * _DAYS[length[2]]
        bars = self._bars(
            found[0],
            end,
            # A number of days counts sessions, the longer units the calendar.
            sessions=int(length[1]) if length[2] == "D" else None,
            days=min(days, _LONGEST_YEARS * 365.25),
        )
        start = end - timedelta(days=days)
        head = (17, request_id, f"{start:%Y%m%d  %H:%M:%S}", f"{end:%Y%m%d  %H:%M:%S}")
        session.send(*head, len(bars), *(field for bar in bars for field in bar))

    def _too_many(self) -> bool:
        now = time.monotonic()
        while self._asked_at and now - self._asked_at[0] > PACED_SECONDS:
            self._asked_at.popleft()
        self._asked_at.append(now)
        return self._limits and len(self._asked_at) > PACED_REQUESTS

    def _end(self, until: str) -> datetime:
        """Parse the end; empty is now. Raises ValueError unless in one of the vendor's forms."""
        if not until:
            return self._market.now()
        zone = EXCHANGES["NYSE"].zone
        if "-" in until:
            return datetime.strptime(until, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
        day, clock = until.split()[:2]
        return datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone)

    def _bars(
        self, contract: Contract, end: datetime, *, sessions: int | None, days: float
    ) -> list[tuple[Field, ...]]:
        """Return date, open, high, low, close; volume, average and count are not simulated."""
        exchange = EXCHANGES[contract.exchange]
        last = min(end.timestamp(), self._market.seconds())
        day = local_date(exchange.name, last)
        if instant(exchange.name, day, exchange.opens) > last:
            day -= timedelta(days=1)
        first = day - timedelta(days=days if sessions is None else 2 * days + 10)
        chosen: list[date] = []
        while day > first and (sessions is None or len(chosen) < sessions):
            if is_trading_day(exchange.name, day):
                chosen.append(day)
            day -= timedelta(days=1)
        if not chosen:
            return []
        hours = sessions_of(exchange.name, always_open=False)
        opened = [instant(exchange.name, day, exchange.opens) for day in reversed(chosen)]
        moments = np.array(
            [np.linspace(at, min(hours.session(at).closes_at, last), _LOOKS_A_DAY) for at in opened]
        )
        values = self._market.values([contract], moments.ravel()).round(4)
        by_day: Any = values.reshape(moments.shape).tolist()
        return [
            (f"{day:%Y%m%d}", prices[0], max(prices), min(prices), prices[-1], -1, -1, -1)
            for day, prices in zip(reversed(chosen), by_day, strict=True)
        ]


def _refuse(session: Session, request_id: int, code: int, reason: str) -> None:
    session.error(request_id, code, f"Historical Market Data Service error message:{reason}")
