"""Unmodified ib_async reads from the simulated gateway what its books hold."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from ib_async import Contract, Index, MarketOrder, Option, Stock

from config.core.sandbox.server import Sandbox
from greeks.sandbox.lines import magnifier
from portfolio.domain import OrderStatus
from tests.portfolio.sandbox.ibkr_socket.ib_clients import ACCOUNT, SPY, connected
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("readonly", [True, False])
async def test_client_connects_and_synchronises(gateway: GatewayHandle, readonly: bool) -> None:
    async with connected(gateway, readonly=readonly) as client:
        assert client.client.serverVersion() == 178
        assert client.managedAccounts() == [ACCOUNT]
        assert client.codes() == [2104, 2106, 2158]
        assert all((client.positions(), client.portfolio(), client.accountValues()))


async def test_positions_are_those_of_the_client_portal(
    sandbox: Sandbox, gateway: GatewayHandle
) -> None:
    with httpx.Client(base_url=sandbox.url("ibkr_portal"), trust_env=False, timeout=10) as portal:
        portal.get("/portfolio/accounts")
        rows = portal.get(f"/portfolio/{ACCOUNT}/positions/0").json()
    async with connected(gateway) as client:
        held = {p.contract.conId: (p.position, p.avgCost) for p in client.positions()}
        strikes = {p.contract.conId: p.contract.strike for p in client.positions()}
        exchanges = {
            p.contract.secType: p.contract.exchange
            for p in client.positions()
            if p.contract.tradingClass != "FF"
        }
    assert held == {row["conid"]: (row["position"], row["avgCost"]) for row in rows}
    assert strikes == {row["conid"]: float(row["strike"]) for row in rows}
    assert exchanges["OPT"] == exchanges["FOP"] == ""


async def test_account_values_add_up_by_currency_and_in_base(gateway: GatewayHandle) -> None:
    account = gateway.books.account(ACCOUNT)
    async with connected(gateway) as client:
        values = {(v.tag, v.currency): v.value for v in client.accountValues()}
        portfolio = client.portfolio()
    assert float(values["TotalCashValue", "USD"]) == account.cash
    for tag in ("CashBalance", "StockMarketValue", "OptionMarketValue", "UnrealizedPnL"):
        assert values[tag, "BASE"] == values[tag, "USD"]
    equity = sum(position.equity for position in account.positions())
    net = float(values["NetLiquidation", "USD"])
    assert net == pytest.approx(account.cash + equity, rel=0.002)
    assert all(item.contract.primaryExchange for item in portfolio)


async def test_account_summary_has_its_tags_and_the_ledger(gateway: GatewayHandle) -> None:
    account = gateway.books.account(ACCOUNT)
    async with connected(gateway) as client:
        rows = await client.accountSummaryAsync()
    values = {(row.tag, row.currency): row.value for row in rows}
    assert values["AccountType", ""] == "INDIVIDUAL"
    assert float(values["MaintMarginReq", "USD"]) == pytest.approx(
        account.summary().maintenance_margin, rel=0.02
    )
    assert {currency for tag, currency in values if tag == "RealizedPnL"} == {"BASE", "USD"}
    assert {row.account for row in rows} == {ACCOUNT}


async def test_third_account_summary_is_refused(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        for request_id in (9001, 9002, 9003):
            client.client.reqAccountSummary(request_id, "All", "NetLiquidation")
        await client.until(lambda: 322 in client.codes())
    assert [number for number, code, _ in client.errors if code == 322] == [9003]


async def test_contract_is_qualified_by_id(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        held = [p.contract for p in client.positions()]
        qualified = await client.qualifyContractsAsync(*(Contract(conId=c.conId) for c in held))
    assert [(c.conId, c.strike, c.right) for c in qualified] == [  # type: ignore[union-attr]
        (c.conId, c.strike, c.right) for c in held
    ]
    assert {c.exchange for c in qualified} == {"SMART"}  # type: ignore[union-attr]


async def test_contract_is_qualified_by_description(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        held = next(p.contract for p in client.positions() if p.contract.secType == "OPT")
        said = Option(
            held.symbol, held.lastTradeDateOrContractMonth, held.strike, held.right, "SMART"
        )
        found = await client.qualifyContractsAsync(
            said, Stock("SPY", "SMART", "USD"), Index("VIX", "NYSE")
        )
    assert [c.conId for c in found] == [held.conId, SPY, 13455763]  # type: ignore[union-attr]


async def test_vague_contract_is_ambiguous(gateway: GatewayHandle) -> None:
    expiry = gateway.market.expiries("SPY")[0]
    async with connected(gateway) as client:
        option = Option("SPY", f"{expiry:%Y%m%d}", 0.0, "C", "SMART")
        (several,) = await client.qualifyContractsAsync(option, returnAll=True)
    calls = [c for c in gateway.market.chain("SPY", expiry) if c.right == "C"]
    assert isinstance(several, list)
    assert len(several) == len(calls)


@pytest.mark.parametrize(
    "unknown",
    [
        Stock("NOBODY", "SMART", "USD"),
        Stock("SPY", "SMART", "EUR"),
        Option("SPY", "20200101", 100.0, "C", "SMART"),
        Contract(conId=1),
    ],
)
async def test_unknown_contract_is_error_200(gateway: GatewayHandle, unknown: Contract) -> None:
    async with connected(gateway) as client:
        assert await client.qualifyContractsAsync(unknown) == [None]
        assert client.codes()[-1] == 200


async def test_details_name_the_underlying_and_the_last_day(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        contract = await client.option()
        (details,) = await client.reqContractDetailsAsync(contract)
    assert details.contract == contract
    assert details.underConId == int(gateway.market.underlying(contract.symbol).aliases["ibkr"])
    assert details.realExpirationDate == contract.lastTradeDateOrContractMonth
    assert (details.underSymbol, details.minTick) == (contract.symbol, 0.01)


async def test_option_parameters_are_the_listed_chain(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        (chain,) = await client.reqSecDefOptParamsAsync("SPY", "", "STK", SPY)
    expiries = gateway.market.expiries("SPY")
    strikes = {float(c.strike) for expiry in expiries for c in gateway.market.chain("SPY", expiry)}
    assert chain.expirations == [f"{expiry:%Y%m%d}" for expiry in expiries]
    assert chain.strikes == sorted(strikes)


async def test_symbols_are_found_by_their_beginning(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        found = await client.reqMatchingSymbolsAsync("invesco")
    assert [d.contract.symbol for d in found or [] if d.contract] == ["QQQ"]


async def test_daily_bars_are_sessions_of_the_market(gateway: GatewayHandle) -> None:
    spy = Contract(conId=SPY, exchange="SMART")
    async with connected(gateway) as client:
        bars = await client.reqHistoricalDataAsync(spy, "", "30 D", "1 day", "TRADES", True)
        year = await client.reqHistoricalDataAsync(spy, "", "1 Y", "1 day", "TRADES", True)
        hours = await client.reqHistoricalDataAsync(spy, "", "1 D", "1 hour", "TRADES", True)
    assert len(bars) == 30
    assert 245 <= len(year) <= 255
    assert [bar.date for bar in year[-29:-1]] == [bar.date for bar in bars[-29:-1]]
    assert [bar.close for bar in year[-29:-1]] == [bar.close for bar in bars[-29:-1]]
    assert all(bar.low <= min(bar.open, bar.close) <= bar.high for bar in year)
    assert bars[-1].close == pytest.approx(
        gateway.market.quote(gateway.market.underlying("SPY")).last, rel=0.01
    )
    assert list(hours) == []
    assert client.codes()[-1] == 162


async def test_bars_end_where_they_were_asked_to(gateway: GatewayHandle) -> None:
    end = gateway.market.now() - timedelta(days=60)
    async with connected(gateway) as client:
        bars = await client.reqHistoricalDataAsync(
            Contract(conId=SPY, exchange="SMART"), end, "2 W", "1 day", "MIDPOINT", True
        )
    assert 8 <= len(bars) <= 10
    assert bars[-1].date <= end.date() < bars[-1].date + timedelta(days=5)


async def test_current_time_is_the_markets(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        told = await client.reqCurrentTimeAsync()
    assert abs(told - gateway.market.now()) < timedelta(seconds=5)


async def test_profit_and_loss_streams_for_account_and_position(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        whole = client.reqPnL(ACCOUNT)
        single = client.reqPnLSingle(ACCOUNT, "", SPY)
        await client.until(lambda: single.value == single.value and whole.dailyPnL)
        await client.until(lambda: single.position)
        assert single.position == 200
        assert whole.unrealizedPnL == pytest.approx(
            sum(p.gain for p in gateway.books.account(ACCOUNT).positions()), abs=3_000
        )
        assert whole.dailyPnL == pytest.approx(whole.realizedPnL + whole.unrealizedPnL)


async def test_orders_are_working_combinations_and_done_ones(gateway: GatewayHandle) -> None:
    orders = gateway.books.account(ACCOUNT).orders()
    working = {o.order_id: o for o in orders if o.status == OrderStatus.WORKING}
    filled = {o.order_id for o in orders if o.status == OrderStatus.FILLED}
    async with connected(gateway, readonly=False) as client:
        assert client.openTrades() == [], "manual orders belong to client 0"
        trades = await client.reqAllOpenOrdersAsync()
        done = await client.reqCompletedOrdersAsync(False)
    # The market goes on while the gateway answers, and limits are set by it.
    later = {o.order_id: o for o in gateway.books.account(ACCOUNT).orders()}
    assert {trade.order.permId for trade in trades} == set(working)
    for trade in trades:
        order = working[trade.order.permId]
        legs = trade.contract.comboLegs
        assert trade.orderStatus.remaining == order.quantity
        assert len(legs) == (len(order.legs) if len(order.legs) > 1 else 0)
        unit = magnifier(order.legs[0][0])
        limits = [each.limit_price * unit for each in (order, later.get(order.order_id, order))]
        assert any(trade.order.lmtPrice == pytest.approx(limit) for limit in limits)
        assert trade.order.tif == order.time_in_force
    assert {trade.order.permId for trade in done} == filled


async def test_manual_orders_are_listed_for_client_0(gateway: GatewayHandle) -> None:
    async with connected(gateway, client_id=0, readonly=False) as client:
        assert client.openTrades()


async def test_order_is_refused_by_the_read_only_api(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        trade = client.placeOrder(Contract(conId=SPY, exchange="SMART"), MarketOrder("BUY", 1))
        await client.until(lambda: 321 in client.codes())
    assert (trade.order.orderId, 321) in [(number, code) for number, code, _ in client.errors]
    assert trade.fills == []


async def test_account_nobody_manages_is_refused(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        client.client.reqAccountUpdates(True, "U7")
        await client.until(lambda: 321 in client.codes())


async def test_unreadable_request_is_an_error_and_not_the_end(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        client.client.send(9, 8, "not a number")
        client.client.send(4711)
        await client.until(lambda: client.codes().count(320) == 2)
        assert await client.reqCurrentTimeAsync()


async def test_book_that_empties_is_told_to_who_watches(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        assert client.positions()
        gateway.faults.change(empty_book=True)
        gateway.pulse()
        await client.until(lambda: not client.positions())
