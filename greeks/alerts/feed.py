"""A user's alerts, live: what their open pages are sent."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from config.core.live.feeds import Feed, Feeds, frame
from config.core.live.per_loop import PerLoop
from greeks.alerts.reading import events_body, user_group
from greeks.alerts.shapes import AlertEvents


class AlertFeed(Feed[int, AlertEvents]):
    """Watches one user's alerts. Every frame holds the whole list, which is short."""

    def groups(self, state: AlertEvents | None) -> list[str]:
        return [user_group(self.key)]

    def read(self, before: AlertEvents | None) -> AlertEvents:
        after = events_body(User(pk=self.key))
        return after if before is None or after != before else before

    def snapshot_frame(self) -> str:
        return frame("alerts.snapshot", self.state, version=self.number)

    def tell(self, before: AlertEvents, after: AlertEvents) -> None:
        self.send_numbered("alerts.changed", after)


feeds = PerLoop(lambda: Feeds(AlertFeed))


class AlertConsumer(SessionConsumer):
    """``/ws/alerts``: one snapshot of the user's alerts, then each change of them."""

    feeds = feeds

    def key_for(self, user: User | AnonymousUser) -> int | None:
        return user.pk
