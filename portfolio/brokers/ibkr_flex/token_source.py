"""The Flex Web Service's token: made by hand in the Client Portal, for a year at most."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.conf import settings

from auth_tokens.broker_tokens.errors import CredentialsRefused
from auth_tokens.broker_tokens.sources import Attempt, ObtainedToken, TokenSource, fingerprint
from config.core.clock import now
from portfolio.brokers.ibkr_flex.client import PROVIDER

#: IBKR offers no longer life.
LONGEST_LIFE: Final = timedelta(days=365)


class FlexTokenSource(TokenSource):
    """``TokenSource`` of the Flex Web Service: the settings' token until it ends."""

    longest_pause = 86_400.0
    keeps_ready = True

    def is_configured(self) -> bool:
        return bool(settings.IBKR_FLEX_TOKEN and settings.IBKR_FLEX_QUERY_ID)

    def credentials(self) -> str:
        return fingerprint(
            settings.IBKR_FLEX_URL, settings.IBKR_FLEX_TOKEN, settings.IBKR_FLEX_TOKEN_EXPIRES
        )

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        """Take the token of the settings. Raises ``CredentialsRefused`` once it has ended."""
        token = settings.IBKR_FLEX_TOKEN
        ends_at = _end(settings.IBKR_FLEX_TOKEN_EXPIRES)
        if attempt.refused == token or ends_at <= now():
            raise CredentialsRefused(
                "The Flex token has ended or is refused: make a new one in the Client Portal "
                "(Performance & Reports, Flex Queries, Flex Web Service) and set IBKR_FLEX_TOKEN "
                "and IBKR_FLEX_TOKEN_EXPIRES.",
                provider=PROVIDER,
            )
        return ObtainedToken(text=token, expires_at=ends_at, source="by hand")


def _end(text: str) -> datetime:
    """Return when the token ends: the day of the settings, else the longest life from now."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
    except ValueError:
        return now() + LONGEST_LIFE
