"""The portfolio's websocket: the book of a user's accounts, or their portfolios' figures."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from config.core.errors import NotFound
from config.core.live.feeds import Feed, Feeds
from config.core.live.per_loop import PerLoop
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.risk_monitor.feed import BookFeed
from portfolio.updates.feed import Owned, PortfoliosFeed


def feed_of(key: tuple[str, ...] | Owned) -> Feed[Any, Any]:
    return PortfoliosFeed(key) if isinstance(key, Owned) else BookFeed(key)


feeds: PerLoop[Feeds[Any, Any]] = PerLoop(lambda: Feeds(feed_of))


class PortfolioConsumer(SessionConsumer):
    """``/ws/portfolio[?account_id=|?view=portfolios]``: one snapshot, then what changes.

    An account that is unknown or not the user's closes it with 4404, as does an unknown view. When
    the user's access changes, it goes on with a snapshot of what they may see now. Who
    has chosen to see changes every so many seconds is sent snapshots in place of changes.
    """

    feeds = feeds

    def user_read(self, user: User | AnonymousUser) -> None:
        self.outbox.every = user.live_every if isinstance(user, User) else 0

    def key_for(self, user: User | AnonymousUser) -> Hashable | None:
        account_id, view = self.parameter("account_id"), self.parameter("view")
        if account_id is None:
            ids = accounts_visible_to(user).values_list("account_id", flat=True)
            shown = tuple(sorted(ids))
            if view is None:
                return shown
            if view == "portfolios" and isinstance(user, User):
                return Owned(user.pk, shown)
            return None
        try:
            return (account_for_user(user, account_id).account_id,)
        except NotFound:
            return None
