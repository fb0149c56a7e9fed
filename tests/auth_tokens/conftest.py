from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.announcements import Announcements
from tests.servers.valkey import RunningValkey


@pytest.fixture
def announcements(valkey: RunningValkey) -> Iterator[Announcements]:
    """What the test announces to other processes."""
    heard = Announcements()
    yield heard
    heard.close()
