"""The latest values of held contracts in polled option chains, beside the brokers' streams.

A chain's values are kept with the streams' own, and their keys in one small set a source, so that a
pass over a book reads those alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.redis.client import key, redis_client
from greeks.domain import Contract, Fetched, GreeksSource, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.providers.streamed_values import KEPT_SECONDS, read_streamed

logger = structlog.get_logger(__name__)

#: Vendors whose chains have prices of now. Cboe's are a quarter of an hour late, under the time of
#: their file.
CHAIN_SOURCES: Final = (GreeksSource.UPSTOX.value, GreeksSource.POLYGON.value)


@dataclass(slots=True)
class ChainValues:
    """A source's values of a book's contracts, with the interface of a provider."""

    source: str
    snapshots: Sequence[Snapshot]

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        wanted = {instrument_key(contract) for contract in contracts}
        found = [each for each in self.snapshots if instrument_key(each.contract) in wanted]
        return Fetched(items=tuple(found), source=self.source, as_of=now())

    def close(self) -> None:
        """Nothing to close: the values are read."""


def remember_in_chains(source: str, keys: Collection[str]) -> None:
    """Note that a chain of the source prices these instruments. Without Redis nothing is noted."""
    name = key("in_chains", source)
    try:
        pipeline = redis_client().pipeline(transaction=False)
        pipeline.sadd(name, *keys)
        pipeline.expire(name, KEPT_SECONDS)
        pipeline.execute()
    except RedisError as error:
        logger.info("chain_values_lost", source=source, reason=type(error).__name__)


def read_chains(contracts: Sequence[Contract]) -> list[ChainValues]:
    """Return the chains' fresh values of the contracts by source, the better source first.

    One round trip if no chain prices any of them.
    """
    try:
        pipeline = redis_client().pipeline(transaction=False)
        for source in CHAIN_SOURCES:
            pipeline.smembers(key("in_chains", source))
        answers = pipeline.execute()
    except RedisError as error:
        logger.info("chain_values_unread", reason=type(error).__name__)
        return []
    found = []
    for source, names in zip(CHAIN_SOURCES, answers, strict=True):
        told = [each for each in contracts if instrument_key(each) in names]
        if told:
            newest = float(settings.STALE_AFTER_SECONDS)
            found.append(ChainValues(source, read_streamed(source, told, newest_seconds=newest)))
    return found
