"""The desk's live state: checks, tokens, chains and the queue."""

from __future__ import annotations

from typing import Any

import msgspec
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from config.core.clock import now
from config.core.live.feeds import Feed, Feeds, frame
from config.core.live.per_loop import PerLoop
from config.system.page import SystemPage

STAFF = "staff"


class SystemState(msgspec.Struct):
    """Without ages and request counts, which change with every look."""

    #: Status and detail by check.
    checks: dict[str, tuple[str, str]]
    tokens: dict[str, str]
    #: Samples of the forming minute, by underlying and expiry; ``None`` out of session.
    chains: dict[str, int | None]
    queue: dict[str, Any]
    #: The minute: the last hour's figures are read again in each.
    minute: str


class SystemFeed(Feed[str, SystemState]):
    """Looks every few seconds while somebody watches: nothing announces a process that died."""

    look_seconds = 5.0

    def groups(self, state: SystemState | None) -> list[str]:
        return []

    def read(self, before: SystemState | None) -> SystemState:
        after = read_state()
        return after if after != before else before

    def snapshot_frame(self) -> str:
        return frame("system.snapshot", self.state, version=self.number)

    def tell(self, before: SystemState, after: SystemState) -> None:
        self.send_numbered("system.changed", after)


def read_state() -> SystemState:
    page = SystemPage()
    return SystemState(
        checks={
            row.name: (row.result.status, row.result.detail)
            for row in [*page.processes, *page.other_checks]
        },
        tokens={row.state.provider: row.word for row in page.tokens},
        chains={f"{row.state.slug} {row.state.expiry}": row.samples_seen for row in page.chains},
        queue=page.queue,
        minute=f"{now():%Y-%m-%dT%H:%MZ}",
    )


feeds = PerLoop(lambda: Feeds(SystemFeed))


class SystemConsumer(SessionConsumer):
    """``/ws/system``, for staff; it closes with 4404 for everybody else."""

    feeds = feeds

    def key_for(self, user: User | AnonymousUser) -> str | None:
        return STAFF if user.is_staff else None
