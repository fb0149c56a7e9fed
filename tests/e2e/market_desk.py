"""A web process over two seeded chains and an operator's alerts, its market's clock standing in
the middle of a session.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import redis

from config.core.processes.environment import ONE_THREAD
from config.core.redis.client import key
from greeks.polling.forming_minute import forming_minute
from greeks.polling.poll import group_of
from greeks.polling.samples import encode_sample, samples_key
from tests.e2e.desk import OTHERS, Desk
from tests.e2e.market_rows import NIFTY, NOW, ZONE, sample
from tests.servers.valkey import RunningValkey


class MarketDesk(Desk):
    """Nothing is polled here: a test says what a poll has brought."""

    steps = (["tests.e2e.alert_rows.seed", {}],)
    #: Of the last sample. The seed has one in the minute of the clock.
    slot = NOW.replace(second=30)

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

    def say_sample(self, *, spot: float = 26_200.0, volatility: float = 0.13) -> dict[str, Any]:
        """Poll Nifty's first chain, a second after the last poll; return the frame's data."""
        self.slot += timedelta(seconds=1)
        seen = self.slot.second // 5
        said = sample(NIFTY, self.slot, spot=spot, volatility=volatility, seen=seen)
        expiry, at = NIFTY.expiries[0], int(self.slot.timestamp())
        data = forming_minute(said, zone=ZONE)
        message = {"type": "market.sampled", "data": data, "version": at}
        fields: dict[Any, Any] = dict(encode_sample(said))
        with redis.Redis.from_url(self._valkey.url) as client:
            client.xadd(samples_key(NIFTY.slug, expiry), fields, id=f"{at * 1000}-0")
            client.publish(key("hub", group_of(NIFTY.slug, expiry)), json.dumps(message))
        return data

    def close_minute(self) -> datetime:
        """Roll up the current minute from its samples; the next one begins."""
        minute = self.slot.replace(second=0)
        self._run([["tests.e2e.market_rows.close_minute", {"minute": minute.isoformat()}]])
        self.slot = minute + timedelta(minutes=1)
        return minute

    def raise_event(self, title: str) -> None:
        """Alert the operator."""
        self._run([["tests.e2e.alert_rows.raise_event", {"title": title}]])

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
