"""Where the recorded chains are, if they are here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]


def recorded_chain(name: str) -> Path:
    """Path of a recorded Cboe chain; skips the test where the recordings are absent."""
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", _ROOT.parent / "shared" / "fixtures"))
    path = folder / "cboe" / name
    if not path.exists():
        pytest.skip("the recorded chains are not here")
    return path
