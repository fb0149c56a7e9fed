"""The portfolio's websocket."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sign_in.consumer import SessionConsumer
from config.core.errors import NotFound
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.risk_monitor.feed import feeds


class PortfolioConsumer(SessionConsumer):
    """``/ws/portfolio[?account_id=]``: one snapshot, then what changes.

    An account that is unknown or not the user's closes it with 4404. When the user's access
    changes, it goes on with a snapshot of the accounts they may see now.
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
