"""The loop that stores streamed prices, apart from the one that revalues portfolios."""

from __future__ import annotations

import asyncio
from typing import Final

from config.core.threads import ThreadPool
from portfolio.market_data.prices import write_prices

WRITE_SECONDS: Final = 5.0


async def keep_prices_stored() -> None:
    """Write the noted prices every five seconds, and once more when cancelled."""
    in_thread = ThreadPool("prices", most=1)
    try:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await in_thread(write_prices)
    finally:
        # The loop is being cancelled: nothing may be awaited for long.
        await asyncio.shield(in_thread(write_prices))
        in_thread.close()
