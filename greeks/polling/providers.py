"""The process's chain providers, opened once so that connections last from poll to poll."""

from __future__ import annotations

from config.core.redis.process_copies import ProcessCopies
from greeks.providers.chain_base import ChainProvider
from greeks.providers.chain_registry import open_chain_provider

_opened: ProcessCopies[dict[str, ChainProvider]] = ProcessCopies(dict)


def chain_provider(name: str) -> ChainProvider:
    """Return the process's provider of that name. Threads share it; do not close it.

    Raises ``InvalidInput`` if the name is unknown or not configured.
    """
    with _opened.lock:
        providers = _opened.get("chains")
        if name not in providers:
            providers[name] = open_chain_provider(name)
        return providers[name]
