"""Follows contracts as the stream does, until it is killed: run by a test.

Arguments: the streamer's address, a token, the streamer symbols of stocks. Writes a line when it
owns the stream and has stored something.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

import django


async def follow(url: str, token: str, symbols: list[str]) -> None:
    from greeks.domain import Contract, InstrumentKind
    from greeks.providers.streamed_values import store_streamed
    from greeks.providers.tastytrade_dxlink.client import DxLinkClient
    from greeks.providers.tastytrade_dxlink.token import StreamerToken

    async def fetch_token() -> StreamerToken:
        return StreamerToken(token=token, url=url, lifetime=3600)

    client = DxLinkClient(fetch_token=fetch_token, expects_data=lambda: True)
    client.follow(
        {
            symbol: Contract(
                kind=InstrumentKind.STOCK,
                symbol=symbol,
                underlying=symbol,
                multiplier=Decimal(1),
                currency="USD",
            )
            for symbol in symbols
        }
    )
    running = asyncio.create_task(client.run())
    told: set[str] = set()
    while not running.done():
        await asyncio.sleep(0.1)
        taken = client.take_changed()
        if taken and store_streamed("tastytrade", taken.values()):
            told |= {symbol for symbol, snapshot in taken.items() if snapshot.quote is not None}
        if told == set(symbols):
            sys.stdout.write("stored\n")
            sys.stdout.flush()


async def own(url: str, token: str, symbols: list[str]) -> None:
    from config.core.redis.lease import run_as_owner

    await run_as_owner("stream.dxlink", lambda: follow(url, token, symbols), seconds=1.5)


if __name__ == "__main__":
    django.setup()
    asyncio.run(own(sys.argv[1], sys.argv[2], sys.argv[3:]))
