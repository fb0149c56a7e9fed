"""React to schema, session and minute changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_delete, post_migrate, post_save
from django.dispatch import receiver

from auth_tokens.signals import keys_rotating
from greeks.alerts.sending.channels import rotate_alert_channels
from greeks.calendar.seeding import seed_default_sessions
from greeks.calendar.sessions import forget_edited_sessions, forget_sessions
from greeks.market.bodies.warming import warm_closed_minute
from greeks.models import ExchangeSession
from greeks.polling.defaults import seed_polled_instruments
from greeks.signals import minute_closed


@receiver(post_migrate)
def seed_sessions_after_migrating(sender: Any, using: str, **keywords: Any) -> None:
    """Give every desk a calendar; each deployment brings it up to date."""
    if sender.name != "greeks" or using != DEFAULT_DB_ALIAS:
        return
    if not _has(keywords, "exchangesession"):
        return
    forget_sessions()
    seed_default_sessions()


@receiver(post_migrate)
def seed_instruments_after_migrating(sender: Any, using: str, **keywords: Any) -> None:
    """Give a desk with Upstox something to poll; see ``polled_defaults``."""
    if sender.name == "greeks" and using == DEFAULT_DB_ALIAS and _has(keywords, "polledinstrument"):
        seed_polled_instruments()


def _has(keywords: Mapping[str, Any], model_name: str) -> bool:
    """Return whether the table exists: migrating backwards removes it."""
    apps = keywords.get("apps")
    return apps is None or ("greeks", model_name) in {
        (model._meta.app_label, model._meta.model_name) for model in apps.get_models()
    }


@receiver([post_save, post_delete], sender=ExchangeSession)
def forget_sessions_after_edit(**_: Any) -> None:
    forget_edited_sessions()


@receiver(minute_closed)
def warm_body_of_closed_minute(slug: str, expiry: date, minute: datetime, **_: Any) -> None:
    """Put the new body into Redis, compressed, for the web processes."""
    warm_closed_minute(slug=slug, expiry=expiry, minute=minute)


@receiver(keys_rotating)
def rotate_channels_after_token_keys(**_: Any) -> None:
    """Rotate alert addresses too: they are encrypted with the same keys."""
    rotate_alert_channels()
