"""Put a rule and its events into words."""

from __future__ import annotations

from datetime import date, datetime

from config.core.web.formatting import day, number
from greeks.alerts.metrics import registered_metrics
from greeks.calendar.exchanges import EXCHANGES
from greeks.models import AlertRule

_COMPARISONS = {"above": "above", "below": "below", "crosses": "across"}
_MEASURES = {
    "change": "change in a minute",
    "from_open": "change since the open",
    "second_difference": "second difference",
}


def series_words(rule: AlertRule) -> str:
    """What the rule watches: ``Call vega, change in a minute, |Δ| 0.20–0.50``."""
    metric = registered_metrics().get(rule.metric)
    label = metric.label if metric else rule.metric
    words = [f"{rule.side.capitalize()} {label[:1].lower()}{label[1:]}" if rule.side else label]
    if rule.measure in _MEASURES:
        words.append(_MEASURES[rule.measure])
    if rule.delta_min is not None and rule.delta_max is not None:
        words.append(f"|Δ| {rule.delta_min:.2f}–{rule.delta_max:.2f}")
    return ", ".join(words)


def figure(rule: AlertRule, value: float | None) -> str:
    """Format a number of the rule's metric."""
    metric = registered_metrics().get(rule.metric)
    return number(value, metric.digits if metric else 2) or "–"


def condition_words(rule: AlertRule) -> str:
    """Return the rule's condition: ``above 12.00``."""
    return f"{_COMPARISONS[rule.comparison]} {figure(rule, rule.threshold)}"


def event_title(rule: AlertRule) -> str:
    return f"{rule.instrument.name}: {series_words(rule)} {condition_words(rule)}"[:120]


def event_text(rule: AlertRule, *, minute: datetime, value: float, expiry_words: str) -> str:
    exchange = EXCHANGES.get(rule.instrument.exchange)
    there = minute.astimezone(exchange.zone) if exchange else minute
    simulated = " Simulated market." if rule.instrument.simulated else ""
    return (
        f"{figure(rule, value)} in the minute {there:%H:%M %Z} of {there:%-d %b %Y}, "
        f"expiry {expiry_words}.{simulated}"
    )[:255]


def expiry_words(expiry: date | None) -> str:
    """Format an expiry; a rule without one follows the nearest."""
    return day(expiry) or "nearest"
