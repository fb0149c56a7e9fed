"""Create, change and delete users' rules: validated, limited in number, each user's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.errors import Conflict, Forbidden, InvalidInput, invalid
from greeks.alerts.metrics import DELTA_STEP, registered_metrics
from greeks.alerts.minutes import MINUTE
from greeks.alerts.reading import AnyUser, rule_for_user
from greeks.alerts.shapes import AlertRuleWrite
from greeks.models import AlertChannel, AlertEvent, AlertRule, PolledInstrument

MOST_RULES = 50
LONGEST_COOLDOWN = 1440
NEAREST = "nearest"
_LARGEST = 1e15
_FIELDS = frozenset(AlertRuleWrite.__struct_fields__)


def create_alert_rule(*, user: AnyUser, values: Any) -> AlertRule:
    """Create a rule; it looks at minutes that close from now on.

    Raises:
        InvalidInput: naming the field. Conflict: the user has as many as are allowed.
    """
    if not isinstance(user, User):
        raise Forbidden("Alerts are kept for users.")
    checked, channels = _checked(user, values)
    with transaction.atomic():
        # Lock the user's row, so that two requests cannot both add the last rule allowed.
        User.objects.select_for_update().get(pk=user.pk)
        if AlertRule.objects.filter(user=user).count() >= MOST_RULES:
            raise Conflict(f"At most {MOST_RULES} alerts are kept: delete one first.")
        rule = AlertRule.objects.create(user=user, evaluated_until=_closed_until(), **checked)
        rule.channels.set(channels)
    return rule_for_user(user, rule.pk)


def update_alert_rule(*, user: AnyUser, rule_id: int, values: Any) -> AlertRule:
    """Replace all fields of one of the user's rules. It starts over like a new rule.

    Raises:
        InvalidInput: naming the field. NotFound: it does not exist or is another user's.
    """
    rule = rule_for_user(user, rule_id)
    checked, channels = _checked(rule.user, values)
    with transaction.atomic():
        rule = AlertRule.objects.select_for_update().get(pk=rule.pk)
        for name, value in checked.items():
            setattr(rule, name, value)
        _begin_anew(rule)
        rule.save()
        rule.channels.set(channels)
    return rule_for_user(user, rule.pk)


def switch_alert_rule(*, user: AnyUser, rule_id: int, enabled: bool) -> AlertRule:
    """Pause one of the user's rules, or resume it like a new rule.

    Raises ``NotFound`` like the others.
    """
    rule = rule_for_user(user, rule_id)
    with transaction.atomic():
        locked = AlertRule.objects.select_for_update().get(pk=rule.pk)
        locked.enabled = enabled
        if enabled:
            _begin_anew(locked)
        locked.save()
    return rule_for_user(user, rule_id)


def delete_alert_rule(*, user: AnyUser, rule_id: int) -> None:
    """Delete one of the user's rules; its events stay in the list."""
    rule_for_user(user, rule_id).delete()


def mark_alert_events_read(*, user: AnyUser) -> int:
    """Mark all the user's events as read; return how many were unread."""
    if not isinstance(user, User):
        raise Forbidden("Alerts are kept for users.")
    unread = AlertEvent.objects.filter(user=user, read_at__isnull=True)
    return unread.update(read_at=market_now())


def _begin_anew(rule: AlertRule) -> None:
    """Reset the state. Minutes already evaluated are not evaluated again."""
    rule.state, rule.state_expiry = AlertRule.State.UNKNOWN, None
    rule.last_event_minute = None
    closed = _closed_until()
    rule.evaluated_until = max(rule.evaluated_until or closed, closed)


def _closed_until() -> datetime:
    """Start of the last closed minute."""
    this_minute = market_now().replace(second=0, microsecond=0)
    return this_minute - MINUTE


def _checked(user: User, values: Any) -> tuple[dict[str, Any], list[AlertChannel]]:
    if not isinstance(values, Mapping):
        raise InvalidInput("Expected an object.")
    for name in values:
        if name not in _FIELDS:
            shown = "".join(c if c.isalnum() or c in "_.-" else "?" for c in str(name))[:40] or "?"
            raise invalid(shown, "Not a field here. Known: " + ", ".join(sorted(_FIELDS)) + ".")
    metric_name = _choice(values, "metric", tuple(registered_metrics()))
    metric = registered_metrics()[metric_name]
    side = _side(values, metric.sides)
    delta_min, delta_max = _delta_range(values, allowed=metric.read_range is not None)
    enabled = values.get("enabled", True)
    if not isinstance(enabled, bool):
        raise invalid("enabled", "Expected true or false.")
    checked = {
        "instrument": _instrument(values.get("slug")),
        "expiry": _expiry(values.get("expiry", NEAREST)),
        "metric": metric_name,
        "side": side,
        "measure": _choice(values, "measure", AlertRule.Measure.values, default="value"),
        "delta_min": delta_min,
        "delta_max": delta_max,
        "comparison": _choice(values, "comparison", AlertRule.Comparison.values),
        "threshold": _number(values, "threshold"),
        "band": _number(values, "band", default=0.0, least=0.0),
        "cooldown_minutes": _cooldown(values.get("cooldown_minutes", 5)),
        "enabled": enabled,
    }
    return checked, _channels(user, values.get("channels", []))


def _instrument(slug: Any) -> PolledInstrument:
    if not isinstance(slug, str) or not slug:
        raise invalid("slug", "Missing.")
    known = {each.slug: each for each in PolledInstrument.objects.all()}
    if slug not in known:
        raise invalid("slug", "Expected one of: " + ", ".join(known) + ".")
    return known[slug]


def _expiry(value: Any) -> date | None:
    if value in (None, "", NEAREST):
        return None
    try:
        parsed = value if isinstance(value, date) else date.fromisoformat(str(value)[:32])
    except ValueError:
        raise invalid("expiry", "Expected nearest, or a day as YYYY-MM-DD.") from None
    if parsed < market_now().date() - timedelta(days=1):
        raise invalid("expiry", "Has expired.")
    return parsed


def _side(values: Mapping[str, Any], sides: tuple[str, ...]) -> str:
    if not sides:
        if values.get("side"):
            raise invalid("side", "This number has no sides: leave it out.")
        return ""
    return _choice(values, "side", sides, default="total")


def _delta_range(
    values: Mapping[str, Any], *, allowed: bool
) -> tuple[float, float] | tuple[None, None]:
    given = {name: values.get(name) for name in ("delta_min", "delta_max")}
    named = [name for name, value in given.items() if value is not None]
    if not named:
        return None, None
    if not allowed:
        raise invalid(named[0], "Only sums of Greeks have a delta range: leave it out.")
    low = 0.0 if given["delta_min"] is None else _number(values, "delta_min", least=0.0)
    high = 1.0 if given["delta_max"] is None else _number(values, "delta_max", least=0.0)
    for name, value in (("delta_min", low), ("delta_max", high)):
        if value > 1.0 or not math.isclose(value / DELTA_STEP, round(value / DELTA_STEP)):
            raise invalid(name, "Expected 0 to 1 in steps of 0.05.")
    low, high = round(low, 2), round(high, 2)
    if low >= high:
        raise invalid("delta_max", "Expected more than delta_min.")
    return (None, None) if (low, high) == (0.0, 1.0) else (low, high)


def _cooldown(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value <= LONGEST_COOLDOWN:
        raise invalid("cooldown_minutes", f"Expected a whole number from 0 to {LONGEST_COOLDOWN}.")
    return int(value)


def _channels(user: User, value: Any) -> list[AlertChannel]:
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        raise invalid("channels", "Expected a list of the ids of your channels.")
    own = {channel.pk: channel for channel in AlertChannel.objects.filter(user=user)}
    if unknown := [each for each in value if each not in own]:
        raise invalid("channels", f"You have no channel {unknown[0]}.")
    return [own[each] for each in dict.fromkeys(value)]


def _choice(
    values: Mapping[str, Any], name: str, choices: Any, *, default: str | None = None
) -> str:
    value = values.get(name)
    if value in (None, "") and default is not None:
        return default
    if not isinstance(value, str) or value not in choices:
        raise invalid(name, "Expected one of: " + ", ".join(choices) + ".")
    return str(value)


def _number(
    values: Mapping[str, Any], name: str, *, default: float | None = None, least: float = -_LARGEST
) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(name, "Missing." if value is None else "Expected a number.")
    if not least <= value <= _LARGEST:
        raise invalid(name, f"Expected {least:g} to {_LARGEST:g}.")
    return float(value)
