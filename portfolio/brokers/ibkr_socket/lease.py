"""One owner of a gateway's client id among all streams processes: a lease in Redis."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client

logger = structlog.get_logger(__name__)

# Redis that came back empty holds nobody's lease: whoever has the socket takes it anew.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] or not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Lease:
    """Held for ``seconds`` at a time and renewed three times in that.

    While Redis is away its holder goes on: nobody else can take the lease either, and the gateway
    itself admits a client id only once.
    """

    def __init__(self, name: str, *, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self._key = key("lease", name)
        self._token = secrets.token_hex(8)

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        told = False
        while not await self._renew(absent=False):
            if not told:
                logger.info("lease.waiting", lease=self.name)
                told = True
            await asyncio.sleep(self.seconds / 3)

    async def keep(self) -> None:
        """Renew the lease until it turns out to be another's; then return."""
        while await self._renew(absent=True):
            await asyncio.sleep(self.seconds / 3)
        logger.warning("lease.lost", lease=self.name)

    async def release(self) -> None:
        with suppress(RedisError):
            await asyncio.to_thread(redis_client().eval, _RELEASE, 1, self._key, self._token)

    async def _renew(self, *, absent: bool) -> bool:
        """Whether the lease is ours; ``absent`` is the answer while Redis is."""
        try:
            return bool(
                await asyncio.to_thread(
                    redis_client().eval,
                    _RENEW,
                    1,
                    self._key,
                    self._token,
                    int(self.seconds * 1000),
                )
            )
        except RedisError:
            return absent
