"""What ``demo`` and ``up`` load before their processes are forked, which use it sooner or later."""

from __future__ import annotations

from portfolio.brokers.registry import ADAPTERS

LOADED = (
    *(path.rpartition(".")[0] for path in ADAPTERS.values()),
    "auth_tokens.broker_log_ins.upstox_source",
    "greeks.gex.warming",
    "greeks.providers.cboe.provider",
    "greeks.providers.polygon.chain_provider",
    "greeks.providers.polygon.provider",
    "portfolio.brokers.ibkr_flex.token_source",
    "portfolio.brokers.ibkr_portal.token_source",
    "portfolio.brokers.tastytrade.token_source",
)
