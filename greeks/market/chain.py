"""The latest chain of an expiry, as polled into Redis: the answer of `/api/market/chain`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError

from config.core.errors import Unavailable
from config.core.redis.client import redis_client
from greeks.polling.latest_chain import latest_chain_key

logger = structlog.get_logger(__name__)


def latest_chain_json(*, slug: str, expiry: date) -> str | None:
    """Return the JSON, ``None`` if nothing was polled. Raises ``Unavailable`` without Redis."""
    try:
        stored = redis_client().get(latest_chain_key(slug, expiry))
    except RedisError as error:
        logger.warning("market_chain.not_read", reason=type(error).__name__)
        raise Unavailable("The latest chain cannot be read now.") from error
    return None if stored is None else str(stored)


def latest_chain(*, slug: str, expiry: date) -> Mapping[str, Any] | None:
    """Return the decoded chain for a page; ``None`` if there is none or Redis is down."""
    try:
        text = latest_chain_json(slug=slug, expiry=expiry)
    except Unavailable:
        return None
    return None if text is None else msgspec.json.decode(text)
