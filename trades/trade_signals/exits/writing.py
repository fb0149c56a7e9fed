"""Make, change and remove exit rules. Each change is kept with who made it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from auth_tokens.models import User
from config.core.errors import Conflict, NotFound, invalid
from portfolio.accounts.access import account_for_user
from trades.annotations.writing import parse_tags
from trades.models import ExitRule
from trades.strategies.naming import Strategy
from trades.trade_signals.announcing import tell_after_commit
from trades.trade_signals.exits.rules import KINDS

MOST_RULES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleValues:
    """A rule's values. ``account_id``, ``strategy`` and ``tag`` limit it; empty: all."""

    name: str
    kind: str
    threshold: float
    band: float = 0.0
    account_id: str = ""
    strategy: str = ""
    tag: str = ""
    enabled: bool = True


def rule_for_user(user: User, rule_id: int) -> ExitRule:
    """Return one of the user's rules. Raises NotFound."""
    found = ExitRule.objects.filter(pk=rule_id, owner=user).first()
    if found is None:
        raise NotFound("No such rule.")
    return found


def filled_rule(rule: ExitRule, values: RuleValues) -> ExitRule:
    """Give a rule its values, unsaved. Raises InvalidInput naming the field, or NotFound."""
    name = " ".join(values.name.split())
    if not name or len(name) > 64 or not name.isprintable():
        raise invalid("name", "1 to 64 printable characters")
    if values.kind not in KINDS:
        raise invalid("kind", f"one of {', '.join(KINDS)}")
    kind = KINDS[values.kind]
    if not (math.isfinite(values.threshold) and kind.low <= values.threshold <= kind.high):
        raise invalid("threshold", f"{kind.low:g} to {kind.high:g} {kind.unit}".strip())
    if not (math.isfinite(values.band) and 0 <= values.band <= kind.high):
        raise invalid("band", f"0 to {kind.high:g}")
    if values.strategy and values.strategy not in {each.value for each in Strategy}:
        raise invalid("strategy", "not a strategy")
    tags = parse_tags([values.tag])
    rule.name, rule.kind = name, values.kind
    rule.threshold, rule.band = values.threshold, values.band
    rule.account = account_for_user(rule.owner, values.account_id) if values.account_id else None
    rule.strategy, rule.tag = values.strategy, next(iter(tags), "")
    rule.enabled = values.enabled
    return rule


@transaction.atomic
def save_rule(*, user: User, values: RuleValues, rule_id: int | None = None) -> ExitRule:
    """Make a rule, or change one. Raises InvalidInput, NotFound or Conflict."""
    rule = ExitRule(owner=user) if rule_id is None else rule_for_user(user, rule_id)
    filled_rule(rule, values)
    if rule_id is None and ExitRule.objects.filter(owner=user).count() >= MOST_RULES:
        raise Conflict(f"You have {MOST_RULES} rules: remove one first.")
    rule._history_user = user  # type: ignore[attr-defined]
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError:
        raise Conflict("You have a rule of this name.", fields={"name": "taken"}) from None
    tell_after_commit([user.pk])
    return rule


@transaction.atomic
def remove_rule(*, user: User, rule_id: int) -> str:
    """Remove a rule and its signals; return its name. Raises NotFound."""
    rule = rule_for_user(user, rule_id)
    rule._history_user = user  # type: ignore[attr-defined]
    rule.delete()
    tell_after_commit([user.pk])
    return rule.name
