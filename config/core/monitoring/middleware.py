"""Measure every request that Django answers. The front door records its own answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from config.core.caching.facts import recording_cache_facts
from config.core.monitoring.recording import METHODS, MISSED, record_answer
from config.core.monitoring.tally import tallied


class ResponseMonitor:
    """Measure each request and what it waits for, and record its answer."""

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.get_response = get_response
        self._clock = clock

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = self._clock()
        with tallied() as tally, recording_cache_facts() as facts:
            if missed := request.META.get("asgi.scope", {}).get(MISSED):
                facts.misses.append(missed)
            response = self.get_response(request)
        seconds = self._clock() - started
        # The route's pattern, not the URL: URLs are unbounded and may hold anything.
        route = request.resolver_match.route if request.resolver_match else "unmatched"
        method = request.method if request.method in METHODS else "other"
        record_answer(str(method), route, response.status_code, seconds, tally, facts)
        return response
