"""Fixture ``sandbox``: the real sandbox server on a free port, without the vendors' rate limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.core.sandbox.server import Sandbox, open_market


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """``.url("ibkr_portal")``, ``.faults``, ``.market``, ``.books``, ``.applications[name]``."""
    with Sandbox(market=open_market(seed=7), limits=False) as running:
        yield running
