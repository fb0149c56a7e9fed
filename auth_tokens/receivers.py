"""Record log-ins and permission changes in the audit trail, and revoke sessions.

Signals catch every way in: pages, the admin, commands, a shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from axes.signals import user_locked_out
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from auth_tokens.audit.writing import record_audit_event
from auth_tokens.log_in.limits import LONGEST_NAME
from auth_tokens.models import ApiToken, AuditEvent, User
from auth_tokens.second_factor.writing import reencrypt_secrets
from auth_tokens.sessions.revocation import revoke_sessions
from auth_tokens.signals import keys_rotating
from config.core.clock import now
from config.core.web.middleware import client_address

#: Refused log-ins recorded in an hour, of one address and of all: the trail cannot be filled.
MOST_REFUSALS_OF_ONE = 50
MOST_REFUSALS = 1000
_ACCESS_FIELDS = ("is_active", "is_staff", "is_superuser", "password", "second_factor_since")
# What the trail tells of in events of their own.
_TOLD_APART = ("password", "second_factor_since")
_M2M_ACTIONS = ("post_add", "post_remove", "pre_clear")


@receiver(user_logged_in)
def record_log_in(request: HttpRequest | None, user: User, **_: Any) -> None:
    record_audit_event(
        event="session.started", subject=user.get_username(), detail=_address(request), actor=user
    )


@receiver(user_logged_out)
def record_log_out(request: HttpRequest | None, user: User | None, **_: Any) -> None:
    if user is None:
        return
    record_audit_event(
        event="session.ended", subject=user.get_username(), detail=_address(request), actor=user
    )


@receiver(user_login_failed)
def record_refused_log_in(
    credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Record a refused log-in, unless a lock-out covers it.

    Axes counts first: the attempt that locks out, and those during the lock-out, are not recorded
    one by one, or anybody could flood the trail.
    """
    if request is not None and AxesProxyHandler.is_locked(request, dict(credentials)):
        return
    detail = _address(request)
    hour = AuditEvent.objects.filter(at__gt=now() - timedelta(hours=1))
    refused = hour.filter(event="session.refused")
    if (
        refused.filter(detail=detail).count() >= MOST_REFUSALS_OF_ONE
        or refused.count() >= MOST_REFUSALS
    ):
        # One line stands for the rest of the hour.
        if not hour.filter(event="session.refusals_not_recorded").exists():
            record_audit_event(event="session.refusals_not_recorded", detail=detail)
        return
    record_audit_event(
        event="session.refused",
        subject=_known_username(credentials.get("username")),
        detail=detail,
    )


@receiver(user_locked_out)
def record_lock_out(request: HttpRequest, username: str | None, **_: Any) -> None:
    """Record a lock-out once per cool-off, however many attempts run into it."""
    subject, detail = _known_username(username), _address(request)
    cool_off = get_cool_off(request)
    earlier = AuditEvent.objects.filter(event="session.locked_out", detail=detail)
    if cool_off is not None:
        earlier = earlier.filter(at__gt=now() - cool_off)
    if not earlier.filter(subject=subject).exists() and earlier.count() < MOST_REFUSALS_OF_ONE:
        record_audit_event(event="session.locked_out", subject=subject, detail=detail)


keys_rotating.connect(reencrypt_secrets)


@receiver(pre_save, sender=User)
def remember_access(instance: User, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Remember what the row allows before a save that may change it."""
    watched = [f for f in _ACCESS_FIELDS if update_fields is None or f in update_fields]
    instance._access_before = (  # type: ignore[attr-defined]
        User.objects.filter(pk=instance.pk).values(*watched).first()
        if watched and instance.pk is not None
        else None
    )


@receiver(post_save, sender=User)
def record_access_change(instance: User, created: bool, **_: Any) -> None:
    before: dict[str, Any] | None = instance.__dict__.pop("_access_before", None)
    if created:
        record_audit_event(
            event="user.created",
            subject=instance.get_username(),
            detail={"is_staff": instance.is_staff, "is_superuser": instance.is_superuser},
        )
        return
    changed = [name for name, value in (before or {}).items() if getattr(instance, name) != value]
    if not changed:
        return
    if "password" in changed:
        record_audit_event(event="user.password_changed", subject=instance.get_username())
    flags = {name: getattr(instance, name) for name in changed if name not in _TOLD_APART}
    if flags:
        record_audit_event(
            event="user.access_changed", subject=instance.get_username(), detail=flags
        )
    revoke_sessions(user_ids=[instance.pk])


@receiver(m2m_changed, sender=User.groups.through)
@receiver(m2m_changed, sender=User.user_permissions.through)
def record_membership_change(
    instance: Any, action: str, reverse: bool, model: type[Any], pk_set: set[int] | None, **_: Any
) -> None:
    """Groups or permissions of users changed, from either side of the relation."""
    if action not in _M2M_ACTIONS:
        return
    users, granted = _granted(instance, reverse, model, pk_set, having="user_set")
    detail = {"action": action.partition("_")[2], "of": granted}
    for user in users:
        record_audit_event(event="user.access_changed", subject=user.get_username(), detail=detail)
    revoke_sessions(user_ids=[user.pk for user in users])


@receiver(m2m_changed, sender=Group.permissions.through)
def record_group_change(
    instance: Any, action: str, reverse: bool, model: type[Any], pk_set: set[int] | None, **_: Any
) -> None:
    """A group's permissions changed, so its members' did too."""
    if action not in _M2M_ACTIONS:
        return
    groups, granted = _granted(instance, reverse, model, pk_set, having="group_set")
    detail = {"action": action.partition("_")[2], "of": granted}
    for group in groups:
        record_audit_event(event="group.permissions_changed", subject=group.name, detail=detail)
    members = User.objects.filter(groups__in=groups).values_list("pk", flat=True)
    revoke_sessions(user_ids=members)


@receiver(post_delete, sender=User)
def end_removed_user(instance: User, **_: Any) -> None:
    revoke_sessions(user_ids=[instance.pk])


@receiver(post_save, sender=ApiToken)
@receiver(post_delete, sender=ApiToken)
def end_changed_token(instance: ApiToken, created: bool = False, **_: Any) -> None:
    """End everything a revoked or changed token had opened."""
    if not created:
        revoke_sessions(user_ids=[instance.user_id])


def _granted(
    instance: Any, reverse: bool, model: type[Any], pk_set: set[int] | None, *, having: str
) -> tuple[list[Any], list[str]]:
    """Return whose rights change, and the names of what they get or lose."""
    if not reverse:
        rows = model._default_manager.filter(pk__in=pk_set or ())
        return [instance], sorted(map(str, rows))
    everyone = getattr(instance, having).all()
    holders = everyone if pk_set is None else model._default_manager.filter(pk__in=pk_set)
    return list(holders), [str(instance)]


def _known_username(offered: object) -> str:
    """Return the name if such a user exists; people type passwords into the wrong field."""
    name = str(offered or "")[:LONGEST_NAME]
    return name if User.objects.filter(username=name).exists() else "unknown user"


def _address(request: HttpRequest | None) -> dict[str, str]:
    return {"address": client_address(request)} if request is not None else {}
