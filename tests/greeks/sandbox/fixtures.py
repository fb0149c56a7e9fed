"""Where the recorded chains are, if they are here."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from greeks.sandbox.market import Market, simulated_engine

_ROOT = Path(__file__).resolve().parents[3]


def recorded_chain(name: str) -> Path:
    """Path of a recorded Cboe chain; skips the test where the recordings are absent."""
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", _ROOT.parent / "shared" / "fixtures"))
    path = folder / "cboe" / name
    if not path.exists():
        pytest.skip("the recorded chains are not here")
    return path


def market_after_a_restart(*, seed: int, start: datetime) -> Market:
    """Return a simulated market that knows nothing of what was asked in this process before."""
    simulated_engine.cache_clear()
    return Market.simulated(seed=seed, start=start)
