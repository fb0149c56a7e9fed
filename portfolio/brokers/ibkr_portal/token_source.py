"""The Client Portal gateway's session in the token manager: opened once for all processes.

There is no token: a person logs in at the gateway, and anyone who reaches it may call it. We store
only a mark of which opening is current.
"""

from __future__ import annotations

import secrets
from contextlib import closing
from datetime import datetime

from django.conf import settings

from auth_tokens.broker_tokens.sources import (
    Attempt,
    HeldToken,
    ObtainedToken,
    TokenSource,
    fingerprint,
)
from portfolio.brokers.ibkr_portal.gateway import open_session


class PortalTokenSource(TokenSource):
    """``TokenSource`` of the gateway. Tickles keep the session; this opens it again."""

    # A person may log in at any moment and waits for the desk to notice.
    longest_pause = 15.0
    keeps_ready = False

    def is_configured(self) -> bool:
        return bool(settings.IBKR_CONNECTION == "portal" and settings.IBKR_PORTAL_URL)

    def credentials(self) -> str:
        return fingerprint(settings.IBKR_PORTAL_URL)

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        with closing(open_session()) as session:
            return not session.is_alive()

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        with closing(open_session()) as session:
            session.open()
        return ObtainedToken(text=secrets.token_hex(8), expires_at=None, source="session")
