"""The sandbox's share in pence, over both ways to IBKR."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.conf import LazySettings
from ib_async import Contract as SocketContract

from config.core.sandbox.server import Sandbox
from greeks.domain import Contract, InstrumentKind
from portfolio.brokers.ibkr_portal.adapter import open_portal
from portfolio.sandbox.london import CONID, contract_by_id, vendor_quotes
from tests.portfolio.sandbox.ibkr_socket.ib_clients import connected
from tests.sandbox_server import GatewayHandle

LINE = Contract(
    kind=InstrumentKind.STOCK, symbol="AAPL", underlying="AAPL", multiplier=Decimal(1),
    currency="GBP", aliases={"ibkr": CONID},
)  # fmt: skip


@pytest.mark.django_db
def test_share_quoted_in_pence_is_priced_in_pounds_over_the_portal(
    sandbox: Sandbox, settings: LazySettings
) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    adapter = open_portal()
    try:
        (item,) = adapter.fetch_snapshots([LINE]).items
    finally:
        adapter.close()
    assert item.quote is not None
    assert item.quote.price is not None
    dollars = sandbox.market.quote(sandbox.market.underlying("AAPL")).mark
    assert float(item.quote.price) == pytest.approx(0.75 * dollars, rel=0.05)


@pytest.mark.anyio
async def test_gateway_says_the_unit_and_sends_pence(gateway: GatewayHandle) -> None:
    async with connected(gateway) as client:
        wanted = SocketContract(conId=int(CONID), exchange="SMART")
        (details,) = await client.reqContractDetailsAsync(wanted)
        assert details.contract is not None
        assert (details.priceMagnifier, details.contract.currency) == (100, "GBP")
        ticker = client.reqMktData(wanted)
        await client.until(lambda: ticker.bid > 0)
    contract = contract_by_id(gateway.market, CONID)
    assert contract is not None
    (quote,) = vendor_quotes(gateway.market, [contract])
    assert ticker.bid == pytest.approx(quote.bid, rel=0.05)
    assert ticker.bid > 10_000
