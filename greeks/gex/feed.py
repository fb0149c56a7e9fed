"""Live gamma exposure: each snapshot is announced to open pages, which then read it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Max

from auth_tokens.models import User
from auth_tokens.sessions.consumer import SessionConsumer
from config.core.live.feeds import Feed, Feeds, frame
from config.core.live.per_loop import PerLoop
from greeks.gex.chains.subjects import group_of, subject_named
from greeks.models import GexSnapshot

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}", re.ASCII)


class GexFeed(Feed[str, datetime | None]):
    """Watches one symbol. Its state is the slot of the newest snapshot, of any definition."""

    def groups(self, state: datetime | None) -> list[str]:
        return [group_of(self.key)]

    def read(self, before: datetime | None) -> datetime | None:
        subject_named(self.key)
        newest: datetime | None = GexSnapshot.objects.filter(symbol=self.key).aggregate(
            newest=Max("slot")
        )["newest"]
        return before if newest == before else newest

    def snapshot_frame(self) -> str:
        return frame("gex.snapshot", self._told(), version=self.number)

    def tell(self, before: datetime | None, after: datetime | None) -> None:
        self.send_numbered("gex.computed", self._told())

    def _told(self) -> dict[str, Any]:
        return {"symbol": self.key, "slot": self.state}


feeds = PerLoop(lambda: Feeds(GexFeed))


class GexConsumer(SessionConsumer):
    """``/ws/gex/{symbol}``: one snapshot, then a frame for each new one.

    Public if the data are. An unknown symbol closes it with 4404.
    """

    feeds = feeds

    @property
    def is_public(self) -> bool:
        return bool(settings.MARKET_DATA_PUBLIC)

    def key_for(self, user: User | AnonymousUser) -> str | None:
        symbol = str(self.scope["url_route"]["kwargs"]["symbol"]).upper()
        return symbol if _SYMBOL.fullmatch(symbol) else None
