"""The journal, live: the newest fills of a set of accounts, as their open pages are sent."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from config.core.errors import NotFound
from config.core.live.feeds import Feed, Feeds, frame
from config.core.live.per_loop import PerLoop
from portfolio.accounts.access import account_for_user, accounts_visible_to
from trades.executions.announcing import journal_group
from trades.reviewing.newest import newest_fills
from trades.reviewing.shapes import NewestFills


class TradesFeed(Feed[tuple[str, ...], NewestFills]):
    """Watches a set of accounts, by their sorted ids. Every frame holds the newest fills whole."""

    def groups(self, state: NewestFills | None) -> list[str]:
        return [journal_group(account_id) for account_id in self.key]

    def read(self, before: NewestFills | None) -> NewestFills:
        after = newest_fills(self.key)
        return after if before is None or after != before else before

    def snapshot_frame(self) -> str:
        return frame("trades.snapshot", self.state, version=self.number)

    def tell(self, before: NewestFills, after: NewestFills) -> None:
        self.send_numbered("trades.changed", after)


feeds = PerLoop(lambda: Feeds(TradesFeed))


class TradesConsumer(SessionConsumer):
    """``/ws/trades[?account_id=]``: the newest fills, then each change of them.

    An account that is unknown or not the user's closes it with 4404.
    """

    feeds = feeds

    def key_for(self, user: User | AnonymousUser) -> tuple[str, ...] | None:
        account_id = self.parameter("account_id")
        if account_id is None:
            ids = accounts_visible_to(user).values_list("account_id", flat=True)
            return tuple(sorted(ids))
        try:
            return (account_for_user(user, account_id).account_id,)
        except NotFound:
            return None
