"""Requests that take a scripted time, and what was logged of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.core.caching.facts import note_cache_hit, note_cache_miss
from config.core.monitoring.counting import hand_on
from config.core.monitoring.middleware import ResponseMonitor
from config.core.monitoring.recording import record_provider_call
from config.core.monitoring.tally import current_tally
from tests.own_memory import forget_own_memory
from tests.servers.valkey import RunningValkey


@dataclass
class Scripted:
    """One request and what its view does; times in seconds."""

    seconds: float = 0.01
    method: str = "GET"
    route: str = "api/rows/<int:number>"
    status: int = 200
    hits: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    queries: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.route or '/'}"

    def view(self, _: HttpRequest) -> HttpResponse:
        for name in self.hits:
            note_cache_hit(name)
        for name in self.misses:
            note_cache_miss(name)
        tally = current_tally()
        assert tally is not None
        tally.database.extend(self.queries)
        for seconds in self.calls:
            record_provider_call("gex", "ok", seconds)
        return HttpResponse(status=self.status)

    def answer(self) -> None:
        """Send it through the response monitor, on a clock of its own."""
        request = RequestFactory().generic(self.method, "/")
        request.resolver_match = SimpleNamespace(route=self.route)  # type: ignore[assignment]
        moments = iter((0.0, self.seconds))
        ResponseMonitor(self.view, clock=lambda: next(moments))(request)


def nothing_measured(valkey: RunningValkey) -> None:
    """Begin with nothing counted: neither here nor in Redis."""
    hand_on()
    valkey.empty()
    forget_own_memory()


def events(caplog: pytest.LogCaptureFixture, *names: str) -> list[dict[str, Any]]:
    """Return the structured events of these names that were logged."""
    found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [event for event in found if event["event"] in names]
