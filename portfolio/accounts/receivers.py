"""Record audit events when accounts or access change, and make sockets check again.

Signals catch every path: code, the admin, commands, a shell.
"""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver

from auth_tokens.audit.writing import record_audit_event
from auth_tokens.models import User
from auth_tokens.sessions.revocation import revoke_sessions
from portfolio.accounts.portfolios import ensure_default_portfolio
from portfolio.models import Account, AccountAccess

_ACCESS_FIELDS = ("owner_id", "enabled")


@receiver(pre_save, sender=Account)
def remember_ownership(instance: Account, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Remember who may see the account before a save that changes it."""
    watched = update_fields is None or bool({"owner", "owner_id", "enabled"} & update_fields)
    instance._access_before = (  # type: ignore[attr-defined]
        Account.objects.filter(pk=instance.pk).values(*_ACCESS_FIELDS).first() if watched else None
    )


@receiver(post_save, sender=Account)
def record_account_change(instance: Account, created: bool, **_: Any) -> None:
    before: dict[str, Any] = instance.__dict__.pop("_access_before", None) or {}
    if created:
        record_audit_event(
            event="account.created",
            subject=instance.account_id,
            detail={"broker": instance.broker, "owner": _username(instance.owner_id)},
        )
        ensure_default_portfolio(instance.owner_id)
        revoke_sessions(user_ids=[instance.owner_id])
        return
    affected: set[int] = set()
    if before.get("owner_id", instance.owner_id) != instance.owner_id:
        affected |= {before["owner_id"], instance.owner_id}
        ensure_default_portfolio(instance.owner_id)
        record_audit_event(
            event="account.owner_changed",
            subject=instance.account_id,
            detail={
                "from": _username(before["owner_id"]),
                "to": _username(instance.owner_id),
            },
        )
    if before.get("enabled", instance.enabled) != instance.enabled:
        affected |= {instance.owner_id, *instance.access.values_list("user_id", flat=True)}
        record_audit_event(
            event="account.enabled" if instance.enabled else "account.disabled",
            subject=instance.account_id,
        )
    revoke_sessions(user_ids=affected)


@receiver(post_delete, sender=Account)
def record_account_removal(instance: Account, **_: Any) -> None:
    record_audit_event(event="account.deleted", subject=instance.account_id)
    revoke_sessions(user_ids=[instance.owner_id])


@receiver(pre_save, sender=AccountAccess)
def remember_access(instance: AccountAccess, **_: Any) -> None:
    """Remember the row's user and account before a save: the admin may change both."""
    instance._before = (  # type: ignore[attr-defined]
        AccountAccess.objects.filter(pk=instance.pk).values("account_id", "user_id").first()
    )


@receiver(post_save, sender=AccountAccess)
def record_access_given(instance: AccountAccess, **_: Any) -> None:
    before: dict[str, Any] | None = instance.__dict__.pop("_before", None)
    pair = {"account_id": instance.account_id, "user_id": instance.user_id}
    if before is not None and before != pair:
        _record_access_taken(**before)
    record_audit_event(
        event="account.shared",
        subject=instance.account_id,
        detail={"user": _username(instance.user_id), "role": instance.role},
    )
    ensure_default_portfolio(instance.user_id)
    revoke_sessions(user_ids=[instance.user_id])


@receiver(post_delete, sender=AccountAccess)
def record_access_taken(instance: AccountAccess, **_: Any) -> None:
    _record_access_taken(account_id=instance.account_id, user_id=instance.user_id)


def _record_access_taken(*, account_id: str, user_id: int) -> None:
    record_audit_event(
        event="account.unshared", subject=account_id, detail={"user": _username(user_id)}
    )
    revoke_sessions(user_ids=[user_id])


def _username(user_id: int) -> str:
    name = User.objects.filter(pk=user_id).values_list("username", flat=True).first()
    return name or f"deleted user {user_id}"
