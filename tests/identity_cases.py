"""The recorded identity cases, where they are available."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def identity_cases(name: str) -> Any:
    """Return the cases of that name; skips the test where the recordings are absent."""
    return all_identity_cases()[name]


def all_identity_cases() -> dict[str, Any]:
    """Return all cases by name; skips the test where the recordings are absent."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    file = folder / "identity" / "cases.json"
    if not file.is_file():
        pytest.skip("the recorded cases are not here")
    cases: dict[str, Any] = json.loads(file.read_text())
    return cases
