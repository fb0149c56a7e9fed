"""Keep tokens valid in the background. Failures are recorded where they happen."""

from __future__ import annotations

from typing import Any

import structlog
from celery.signals import worker_ready

from auth_tokens.broker_tokens.manager import ensure_valid
from auth_tokens.broker_tokens.sources import registered_token_providers, token_source
from config.core.background.task import desk_task
from config.core.errors import ProviderError

logger = structlog.get_logger(__name__)


@desk_task("auth_tokens.ensure_tokens", subject="tokens", seconds=30, expires=240)
def ensure_tokens_task() -> None:
    """Check every configured provider, each in its own task: one may take a minute."""
    for provider in registered_token_providers():
        source = token_source(provider)
        if source.keeps_ready and source.is_configured():
            ensure_token_task.delay(provider)


@desk_task("auth_tokens.ensure_token", subject="token.{provider}", seconds=120, expires=240)
def ensure_token_task(provider: str) -> None:
    try:
        ensure_valid(provider)
    except ProviderError as error:
        logger.warning("token.not_ensured", token_provider=provider, code=error.code)


def ensure_at_start(**_: Any) -> None:
    """Check tokens when a worker starts: the desk may have been off for days."""
    ensure_tokens_task.apply_async(retry=False)


worker_ready.connect(ensure_at_start, dispatch_uid="auth_tokens.ensure_at_start")
