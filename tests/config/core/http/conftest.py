"""Callers of a scripted provider, closed when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.core.http.caller import HttpCaller
from tests.config.core.servers import ScriptedProvider

MakeCaller = Callable[..., HttpCaller]


@pytest.fixture
def make_caller(provider: ScriptedProvider) -> Iterator[MakeCaller]:
    callers: list[HttpCaller] = []

    def make(**options: Any) -> HttpCaller:
        caller = HttpCaller("broker", provider.url, **({"timeout": 1.0} | options))
        callers.append(caller)
        return caller

    yield make
    for caller in callers:
        caller.close()
