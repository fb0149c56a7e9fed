"""What happens when the schema, a session or the market's minutes change."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models.signals import post_delete, post_migrate, post_save
from django.dispatch import receiver

from greeks.models import ExchangeSession
from greeks.selectors.sessions import forget_sessions
from greeks.services.market_warming import warm_closed_minute
from greeks.services.sessions import seed_default_sessions
from greeks.signals import minute_closed


@receiver(post_migrate)
def seed_sessions_after_migrating(sender: Any, using: str, **keywords: Any) -> None:
    """Every desk starts with a calendar, and each deployment brings it up to date."""
    if sender.name != "greeks" or using != DEFAULT_DB_ALIAS:
        return
    apps = keywords.get("apps")
    if apps is not None and ("greeks", "exchangesession") not in {
        (model._meta.app_label, model._meta.model_name) for model in apps.get_models()
    }:
        # Migrating backwards: the table is gone.
        return
    forget_sessions()
    seed_default_sessions()


@receiver([post_save, post_delete], sender=ExchangeSession)
def forget_sessions_after_edit(**_: Any) -> None:
    forget_sessions()
    transaction.on_commit(forget_sessions)


@receiver(minute_closed)
def warm_body_of_closed_minute(slug: str, expiry: date, minute: datetime, **_: Any) -> None:
    """Web processes find the new body in Redis, compressed."""
    warm_closed_minute(slug=slug, expiry=expiry, minute=minute)
