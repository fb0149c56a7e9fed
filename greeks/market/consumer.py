"""The market's websocket."""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from greeks.market.feed import Watched, feeds


class MarketConsumer(SessionConsumer):
    """``/ws/market/{slug}[?expiry=YYYY-MM-DD]``: one snapshot, then samples and closed minutes.

    Public if the data are. An unknown instrument or expiry closes it with 4404.
    """

    feeds = feeds

    @property
    def is_public(self) -> bool:
        return bool(settings.MARKET_DATA_PUBLIC)

    def key_for(self, user: User | AnonymousUser) -> Watched | None:
        expiry = self.parameter("expiry")
        try:
            day = None if expiry is None else date.fromisoformat(expiry)
        except ValueError:
            return None
        return Watched(self.scope["url_route"]["kwargs"]["slug"], day)
