"""Fetch quotes of contracts that are held on paper only: no sync asks for those."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from auth_tokens.models import User
from config.core.clock import market_now, now
from config.core.errors import ProviderError
from greeks.calendar.exchanges import exchange_of_currency
from greeks.calendar.sessions import current_session
from greeks.models import Instrument
from portfolio.accounts.access import accounts_visible_to
from portfolio.brokers.registry import open_adapter
from portfolio.market_data.prices import store_prices
from portfolio.market_data.store import write_greeks
from portfolio.sync.fetch import market_of
from trades.trade_signals.shadows.following import unquoted_instruments

logger = structlog.get_logger(__name__)
#: A quote this old is asked for again.
_OLD: Final = timedelta(seconds=75)
#: Asked for at once, for each user: the next run asks for more.
_MOST: Final = 100


def quote_shadows() -> int:
    """Ask each owner's own brokers for the quotes that shadows lack; return how many came.

    Outside of sessions nothing is asked. A provider that fails is logged and asked again.
    """
    came = 0
    for owner_id, instruments in unquoted_instruments(older_than=market_now() - _OLD).items():
        wanted = Instrument.objects.filter(pk__in=sorted(instruments)[:_MOST])
        by_key = {row.key: row for row in wanted if _trades_now(row)}
        owner = User.objects.get(pk=owner_id)
        brokers = accounts_visible_to(owner).order_by().values_list("broker", flat=True).distinct()
        for broker in sorted(brokers):
            if by_key:
                found = _quote(broker, by_key)
                came += len(found)
                by_key = {key: row for key, row in by_key.items() if key not in found}
    return came


def _quote(broker: str, by_key: dict[str, Instrument]) -> set[str]:
    try:
        adapter = open_adapter(broker)
    except ProviderError as error:
        logger.info("shadow_quotes_unavailable", broker=broker, reason=error.message)
        return set()
    try:
        market, everything = market_of(
            instruments=by_key, adapter=adapter, others=lambda: (), marks={}
        )
    finally:
        adapter.close()
    if market.error is not None:
        logger.info("shadow_quotes_unavailable", broker=broker, reason=market.error.message)
    store_prices(market.quotes.values())
    with transaction.atomic():
        write_greeks(market=market, instruments=everything, at=now(), market_at=market_now())
    return by_key.keys() & market.quotes.keys()


def _trades_now(row: Instrument) -> bool:
    exchange = exchange_of_currency(row.currency)
    if exchange is None or settings.MARKET_ALWAYS_OPEN:
        return True
    return current_session(exchange.name, market_now()) is not None
