"""The vendor community's own client, unmodified, reads the simulated Tastytrade."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import tastytrade
from tastytrade import instruments, market_data

from config.core.sandbox.server import Sandbox
from greeks.sandbox.market import Market
from portfolio.sandbox.tastytrade.log_ins import CLIENT_SECRET, REFRESH_TOKEN
from portfolio.sandbox.tastytrade.transactions import history


def test_unmodified_client_and_it_reads_the_whole_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    with Sandbox(market=Market.simulated(seed=7, start=start), limits=False) as sandbox:
        monkeypatch.setattr("tastytrade.session.API_URL", sandbox.url("tastytrade"))
        read = asyncio.run(_read_everything())
        book = sandbox.books.account("5WX00001")
        summary = book.summary()
        assert read["net_liquidation"] == Decimal(str(summary.net_liquidation))
        assert {p.symbol: p.quantity for p in read["positions"]} == {
            p.contract.symbol: abs(p.quantity) for p in book.positions()
        }
        assert {order.id for order in read["orders"]} == {o.order_id for o in book.orders()}
        since = datetime(2026, 11, 9, 5, tzinfo=UTC)
        assert sorted(str(t.id) for t in read["transactions"]) == sorted(
            str(row["id"]) for row in history(book, since, sandbox.market.now())
        )
        assert [row.symbol for row in read["quotes"]] == ["VIX", "SPY", read["option"].symbol]
        assert read["option"].streamer_symbol.startswith(".SPY")


async def _read_everything() -> dict[str, Any]:
    async with tastytrade.Session(CLIENT_SECRET, REFRESH_TOKEN) as session:
        [account] = await tastytrade.Account.get(session)
        [chain] = await instruments.NestedOptionChain.get(session, "SPY")
        expiration = chain.expirations[2]
        middle = expiration.strikes[len(expiration.strikes) // 2]
        option = await instruments.Option.get(session, middle.call)
        return {
            "net_liquidation": (await account.get_balances(session)).net_liquidating_value,
            "positions": await account.get_positions(session, include_marks=True),
            "orders": await account.get_live_orders(session),
            "transactions": await account.get_history(
                session, page_offset=None, per_page=20, start_date=date(2026, 11, 9)
            ),
            "option": option,
            "quotes": sorted(
                await market_data.get_market_data_by_type(
                    session, equities=["SPY"], indices=["VIX"], options=[option.symbol]
                ),
                key=lambda row: ("Index", "Equity", "Equity Option").index(row.instrument_type),
            ),
        }
