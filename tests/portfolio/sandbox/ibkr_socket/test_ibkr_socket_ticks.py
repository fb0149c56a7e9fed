"""Market data of the simulated gateway: streams, refusals, missing numbers."""

from __future__ import annotations

import math

import pytest
from ib_async import Contract

from config.core.sandbox.server import Sandbox, open_market
from tests.portfolio.sandbox.ibkr_socket.ib_clients import SPY, connected
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio


async def test_model_greeks_are_those_of_the_market(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        contract = await client.option()
        ticker = await client.greeks_of(contract)
    quote = gateway.market.quote(gateway.market.contract(contract.conId))
    model = ticker.modelGreeks
    assert model is not None
    assert model.delta == pytest.approx(quote.delta, abs=0.02)
    assert model.vega == pytest.approx(quote.vega, rel=0.05)
    assert model.theta == pytest.approx(quote.theta, rel=0.05)
    assert model.impliedVol == pytest.approx(quote.implied_volatility, rel=0.05)
    assert model.undPrice == pytest.approx(quote.underlying_price, rel=0.01)
    greeks = (ticker.bidGreeks, model, ticker.askGreeks)
    volatilities = [greek.impliedVol for greek in greeks if greek and greek.impliedVol]
    assert len(volatilities) == 3
    assert volatilities == sorted(volatilities)
    assert ticker.marketDataType == 1


async def test_only_what_changes_is_sent_again(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        ticker = client.reqMktData(Contract(conId=SPY, exchange="SMART"))
        await client.until(lambda: ticker.bid > 0)
        before = ticker.bid
        gateway.market.step(3600.0)
        gateway.pulse()
        await client.until(lambda: ticker.bid != before)
        assert ticker.close == gateway.market.quote(gateway.market.underlying("SPY")).previous_close


async def test_generic_ticks_come_where_they_were_asked_for(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        contract = await client.option()
        asked = client.reqMktData(contract, "100,101,221")
        await client.until(lambda: asked.markPrice > 0)
        quote = gateway.market.quote(gateway.market.contract(contract.conId))
        side = "call" if contract.right == "C" else "put"
        assert getattr(asked, f"{side}OpenInterest") == quote.open_interest
        assert math.isnan(getattr(asked, f"{'put' if side == 'call' else 'call'}OpenInterest"))


async def test_snapshot_ends_and_leaves_no_line(gateway: GatewayHandle) -> None:
    async with connected(gateway, client_id=4) as client:
        (ticker,) = await client.reqTickersAsync(Contract(conId=SPY, exchange="SMART"))
        assert ticker.bid < ticker.ask
        assert gateway.lines(4) == set()


async def test_cancelled_line_is_free_and_cannot_be_cancelled_again(
    gateway: GatewayHandle,
) -> None:
    async with connected(gateway, client_id=4) as client:
        contract = await client.option()
        ticker = await client.greeks_of(contract)
        assert gateway.lines(4) == {contract.localSymbol}
        number = client.wrapper.ticker2ReqId["mktData"][ticker]
        client.cancelMktData(contract)
        client.client.cancelMktData(number)
        await client.until(lambda: 300 in client.codes())
        assert gateway.lines(4) == set()


async def test_contract_as_positions_name_it_is_refused_quietly(gateway: GatewayHandle) -> None:
    """Error 321 is a mere warning to the client: the ticker just stays empty."""
    async with connected(gateway) as client:
        held = next(p.contract for p in client.positions() if p.contract.secType == "OPT")
        assert held.exchange == ""
        ticker = client.reqMktData(held)
        await client.until(lambda: 321 in client.codes())
        assert ticker.modelGreeks is None


async def test_unknown_contract_has_no_data(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        client.reqMktData(Contract(conId=5, exchange="SMART"))
        await client.until(lambda: 200 in client.codes())


async def test_data_that_is_not_subscribed_is_refused_live_and_shown_delayed(
    gateway: GatewayHandle,
) -> None:
    gateway.faults.change(live_data=False)
    async with connected(gateway) as client:
        contract = await client.option()
        client.reqMktData(contract)
        await client.until(lambda: 354 in client.codes())
        client.reqMarketDataType(3)
        ticker = await client.greeks_of(contract)
        assert ticker.marketDataType == 3
        assert 10167 in client.codes()
        await client.until(lambda: ticker.bid > 0)
        assert {tick.tickType for tick in ticker.ticks} <= set(range(66, 77))


async def test_without_data_of_the_underlying_there_are_sentinels_only(
    gateway: GatewayHandle,
) -> None:
    gateway.faults.change(underlying_data=False)
    async with connected(gateway) as client:
        ticker = await client.greeks_of(await client.option())
    model = ticker.modelGreeks
    assert model is not None
    assert (model.impliedVol, model.delta, model.gamma, model.undPrice) == (None,) * 4
    assert (model.vega, model.theta) == (-2.0, -2.0), "the client lets these two through"


async def test_hundred_and_first_line_is_refused_where_limits_hold() -> None:
    with Sandbox(market=open_market(seed=7), limits=True) as running:
        gateway = GatewayHandle(running.listeners["ibkr_socket"])
        async with connected(gateway, client_id=4) as client:
            expiry = gateway.market.expiries("SPY")[3]
            chain = gateway.market.chain("SPY", expiry)[:102]
            for option in chain:
                client.reqMktData(Contract(conId=int(option.aliases["ibkr"]), exchange="SMART"))
            await client.until(lambda: client.codes().count(101) == 2)
            assert len(gateway.lines(4)) == 100


async def test_too_many_messages_are_refused_and_then_the_client_is_cut_off() -> None:
    with Sandbox(market=open_market(seed=7), limits=True) as running:
        gateway = GatewayHandle(running.listeners["ibkr_socket"])
        async with connected(gateway) as client:
            client.client.MaxRequests = 0
            for _ in range(400):
                client.client.send(49, 1)
            await client.disconnectedEvent
            assert client.codes().count(100) == 3


async def test_subscription_of_the_market_itself_is_held_by_conid(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        ticker = client.reqMktData(Contract(conId=SPY, exchange="SMART"))
        await client.until(lambda: ticker.last > 0)
        assert ticker.modelGreeks is None, "a share has no Greeks"
