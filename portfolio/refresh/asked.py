"""Books with a requested background refresh of Greeks that has not committed yet.

All readers of a version must see the same ``refreshing``, so it belongs to the account, not the
read: it is noted on request and shared over the hub. It ends with the next version or a timeout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.core.clock import now
from config.core.live.hub import announce
from config.core.redis.process_copies import ProcessCopies
from portfolio.models import Account
from portfolio.sync.progress import account_group

# After this, a refresh that committed nothing is no longer awaited.
REFRESHING_SECONDS = 30.0

MESSAGE = "greeks.refresh_requested"


@dataclass(slots=True)
class _Asked:
    version: int = -1
    until: float = 0.0


_asked: ProcessCopies[_Asked] = ProcessCopies(_Asked)


def announce_refresh(versions: Mapping[str, int]) -> None:
    """Announce a requested refresh of these accounts (id → book version shown)."""
    until = now().timestamp() + REFRESHING_SECONDS
    for account_id, version in versions.items():
        _note(account_id, version, until)
        announce(
            account_group(account_id),
            {"type": MESSAGE, "account_id": account_id, "version": version, "until": until},
        )


def note_announced(message: Mapping[str, Any]) -> None:
    """Note what another process requested, from the hub; other messages are ignored."""
    if message.get("type") != MESSAGE:
        return
    account_id, version, until = (message.get(name) for name in ("account_id", "version", "until"))
    if isinstance(account_id, str) and isinstance(version, int) and isinstance(until, int | float):
        latest = now().timestamp() + REFRESHING_SECONDS
        _note(account_id, version, min(float(until), latest))


def refreshing_until(account: Account) -> float | None:
    """Return until when the account counts as refreshing (epoch seconds), if it does."""
    with _asked.lock:
        asked = _asked.get(account.account_id)
        if account.book_version > asked.version or now().timestamp() >= asked.until:
            return None
        return asked.until


def _note(account_id: str, version: int, until: float) -> None:
    with _asked.lock:
        asked = _asked.get(account_id)
        asked.version = max(asked.version, version)
        asked.until = max(asked.until, until)
