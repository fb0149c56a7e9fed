"""Daily closes over the socket: one request for historical bars."""

from __future__ import annotations

import asyncio
from datetime import date

import ib_async
from ib_async.wrapper import RequestError

from config.core.clock import market_now, now
from config.core.errors import RetryableError
from greeks.domain import Contract, DailyClose, Fetched, RejectedRow
from greeks.providers.decoding import BadRow, parse_decimal, rejected_row
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.asking import refused
from portfolio.brokers.ibkr_socket.client import GatewayIB
from portfolio.brokers.ibkr_socket.state import PROVIDER

HISTORY_SECONDS = 20.0
_DAYS_A_YEAR = 365


async def read_daily_closes(
    ib: GatewayIB, contract: Contract, qualified: ib_async.Contract, *, start: date, end: date
) -> Fetched[DailyClose]:
    """Return closes of the regular sessions from ``start`` to ``end``, adjusted for splits."""
    days = max((market_now().date() - start).days + 1, 1)
    duration = f"{days} D" if days <= _DAYS_A_YEAR else f"{-(-days // _DAYS_A_YEAR)} Y"
    try:
        bars = await asyncio.wait_for(
            ib.reqHistoricalDataAsync(
                qualified,
                endDateTime="",
                durationStr=duration,
                barSizeSetting="1 day",
                whatToShow="TRADES",
                useRTH=True,
                formatDate=1,
            ),
            HISTORY_SECONDS,
        )
    except (TimeoutError, ConnectionError):
        raise RetryableError("daily closes: no complete answer", provider=PROVIDER) from None
    except RequestError as error:
        raise refused("daily closes", error) from None
    items: list[DailyClose] = []
    rejected: list[RejectedRow] = []
    for bar in bars:
        try:
            close = parse_decimal(bar.close, "close", required=True)
            if close <= 0:
                raise BadRow(f"close: {close} is not above zero")
        except BadRow as error:
            row = {"date": str(bar.date), "close": str(bar.close)}
            rejected.append(rejected_row("daily_close", error.reason, row))
            continue
        if start <= bar.date <= end:
            items.append(DailyClose(symbol=contract.symbol, session_date=bar.date, close=close))
    return Fetched(items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=now())
