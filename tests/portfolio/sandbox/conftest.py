from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The vendors' clients are written for asyncio."""
    return "asyncio"
