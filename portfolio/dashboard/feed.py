"""The live dashboard: a user's sections, sent to their open pages."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from config.core.errors import NotFound
from config.core.live.feeds import Feed, Feeds, frame
from config.core.live.outbox import Outbox
from config.core.live.per_loop import PerLoop
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.dashboard.announcing import group_of
from portfolio.dashboard.reading import Asked, Dashboard, read_dashboard

# A reading of feeds may not keep the others waiting.
_SECONDS = 1.0
#: What only says how old a body is: no change.
_AGES = frozenset({"age_seconds", "cache_age_seconds", "cached", "computed_at"})


@dataclass(frozen=True, slots=True)
class Watched:
    """Whose dashboard, and the accounts that they may see now: new ones are a new feed."""

    user_id: int
    account_id: str | None
    account_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A reading, with the part of each section that is compared for changes."""

    dashboard: Dashboard
    shown: Mapping[str, Any]


class DashboardFeed(Feed[Watched, State]):
    """Watches the sections. Every change holds the whole sections that changed."""

    def __init__(self, key: Watched) -> None:
        super().__init__(key)
        # The number of each section's last change.
        self._changed_at: dict[str, int] = {}

    def groups(self, state: State | None) -> list[str]:
        accounts = (f"portfolio.account.{account_id}" for account_id in self.key.account_ids)
        return [group_of(self.key.user_id), *accounts]

    def read(self, before: State | None) -> State:
        user = User.objects.get(pk=self.key.user_id)
        dashboard = read_dashboard(Asked(user, self.key.account_id), seconds=_SECONDS)
        bodies = {name: _without_ages(each.body) for name, each in dashboard.sections.items()}
        shown = bodies | {f"errors.{name}": text for name, text in dashboard.errors.items()}
        return State(dashboard, shown) if before is None or shown != before.shown else before

    def snapshot_frame(self) -> str:
        return frame(
            "dashboard.snapshot",
            msgspec.Raw(self.state.dashboard.to_json()),
            version=self.number,
            as_of=self.state.dashboard.timestamp,
        )

    def tell(self, before: State, after: State) -> None:
        since = self.number
        for name in after.dashboard.sections:
            if name not in before.shown or before.shown[name] != after.shown[name]:
                self._changed_at[name] = since + 1
        self.send_numbered(
            "dashboard.changed", self._changes_since(since), as_of=after.dashboard.timestamp
        )

    def put_seldom(self, outbox: Outbox) -> None:
        """Send the sections changed until then. A page would read each of a snapshot's again."""
        outbox.put_seldom(partial(self._change_since, self.number - 1), name="dashboard.changed")

    def _change_since(self, number: int) -> str:
        return frame(
            "dashboard.changed",
            self._changes_since(number),
            version=self.number,
            previous_version=number,
            as_of=self.state.dashboard.timestamp,
        )

    def _changes_since(self, number: int) -> dict[str, Any]:
        dashboard = self.state.dashboard
        changed = {
            name: each.body
            for name, each in dashboard.sections.items()
            if self._changed_at.get(name, 0) > number
        }
        return {"sections": changed, "errors": dashboard.errors}


def _without_ages(body: Any) -> Any:
    """Return a body as plain values, without ages that grow by themselves."""
    plain = msgspec.to_builtins(body)

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(each) for name, each in value.items() if name not in _AGES}
        return [walk(each) for each in value] if isinstance(value, list) else value

    return walk(plain)


feeds = PerLoop(lambda: Feeds(DashboardFeed))


class DashboardConsumer(SessionConsumer):
    """``/ws/dashboard[?account_id=]``: the sections whole, then those that change.

    An account that is unknown or not the user's closes it with 4404. Who has chosen to see changes
    every so many seconds is sent those of that time in one.
    """

    feeds = feeds

    def user_read(self, user: User | AnonymousUser) -> None:
        self.outbox.every = user.live_every if isinstance(user, User) else 0

    def key_for(self, user: User | AnonymousUser) -> Hashable | None:
        if not isinstance(user, User):
            return None
        account_id = self.parameter("account_id")
        if account_id is None:
            ids = accounts_visible_to(user).values_list("account_id", flat=True)
            return Watched(user.pk, None, tuple(sorted(ids)))
        try:
            account = account_for_user(user, account_id)
        except NotFound:
            return None
        return Watched(user.pk, account.pk, (account.pk,))
