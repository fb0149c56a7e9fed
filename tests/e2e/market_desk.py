"""A web process over two seeded chains, its market's clock standing in the middle of a session."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from config.core.redis_client import key
from config.core.supervision.environment import ONE_THREAD
from greeks.services.chain_poll import group_of
from greeks.services.chain_samples import ChainSample, encode_sample, samples_key
from greeks.services.forming_minute import forming_minute
from tests.e2e.desk import OTHERS, Desk
from tests.e2e.market_rows import NOW, ZONE, SeededChain
from tests.servers.valkey import RunningValkey


class MarketDesk(Desk):
    """Nothing is polled here: a test says what a poll has brought."""

    steps = (["tests.e2e.market_rows.seed", {}],)

    def start(self) -> None:
        self._sockets = Path(tempfile.mkdtemp(prefix="gd-e2e-"))
        self._valkey = RunningValkey(self._sockets / "valkey.sock")
        self._prepare()
        self.start_web()

    def stop(self) -> None:
        for name in list(self._processes):
            self._stop(name)
        self._valkey.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def say_sample(self, seeded: SeededChain, sample: ChainSample) -> None:
        """Store a sample and announce it, as a poll does."""
        expiry, at = seeded.expiries[0], int(sample.slot.timestamp())
        with redis.Redis.from_url(self._valkey.url) as client:
            client.xadd(
                samples_key(seeded.slug, expiry), encode_sample(sample), id=f"{at * 1000}-0"
            )
        data = forming_minute(sample, zone=ZONE)
        self._announce(seeded, {"type": "market.sampled", "data": data, "version": at})

    def close_minute(self, seeded: SeededChain, minute: datetime) -> None:
        """Roll a minute up from the samples that were said, and announce it."""
        options = {"slug": seeded.slug, "minute": minute.isoformat()}
        self._run([["tests.e2e.market_rows.close_minute", options]])

    def _announce(self, seeded: SeededChain, message: Mapping[str, Any]) -> None:
        channel = key("hub", group_of(seeded.slug, seeded.expiries[0]))
        with redis.Redis.from_url(self._valkey.url) as client:
            client.publish(channel, json.dumps(message))

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OTHERS}
        return {
            **inherited,
            **dict.fromkeys(ONE_THREAD, "1"),
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "VAR_DIR": str(self.folder),
            "REDIS_URL": self._valkey.url,
            "WEBSOCKET_ORIGINS": self.url,
            "MARKET_CLOCK": NOW.isoformat(),
        }
