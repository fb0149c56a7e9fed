"""Alert tasks: evaluate when a minute closes, send one message per task."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.dispatch import receiver

from auth_tokens.signals import token_failed
from config.core.background.task import desk_task, enqueue
from config.core.caching.watching import cache_troubled
from greeks.alerts.evaluation import CATCH_UP, evaluate_alerts
from greeks.alerts.events import CLAIM_SECONDS, raise_system_alert
from greeks.alerts.sending.delivery import close_abandoned_deliveries, deliver_alert, due_deliveries
from greeks.alerts.system_events import report_alarms, report_silent_chains, report_token_failures
from greeks.signals import minute_closed

_EVALUATION_SECONDS = 30
_HELD_AGAIN_SECONDS = 2


def _evaluate_again(slug: str, expiry: str, minute: str) -> None:
    """Run later: another worker is still evaluating the minute before."""
    enqueue(
        evaluate_alerts_task,
        {"slug": slug, "expiry": expiry, "minute": minute},
        expires=CATCH_UP.total_seconds(),
        countdown=_HELD_AGAIN_SECONDS,
    )


@desk_task(
    "greeks.evaluate_alerts",
    subject="alerts.{slug}.{expiry}",
    seconds=_EVALUATION_SECONDS,
    held=_evaluate_again,
)
def evaluate_alerts_task(slug: str, expiry: str, minute: str) -> None:
    """Evaluate all rules of a chain after one of its minutes."""
    evaluate_alerts(
        slug=slug, expiry=date.fromisoformat(expiry), minute=datetime.fromisoformat(minute)
    )


@desk_task("greeks.deliver_alert", subject="alert_delivery.{delivery_id}", seconds=CLAIM_SECONDS)
def deliver_alert_task(delivery_id: int) -> None:
    deliver_alert(delivery_id=delivery_id)


@desk_task("greeks.sweep_alerts", subject="alerts.sweep", seconds=30)
def sweep_alerts_task() -> None:
    """Send due messages, close the claims of dead workers, look for silent chains and alarms."""
    close_abandoned_deliveries()
    for delivery_id in due_deliveries():
        enqueue(deliver_alert_task, {"delivery_id": delivery_id}, expires=CLAIM_SECONDS)
    report_silent_chains()
    report_alarms()


@receiver(minute_closed)
def enqueue_evaluation(slug: str, expiry: date, minute: datetime, **_: Any) -> None:
    """Queue an evaluation. If that fails, the next minute's makes up for it."""
    enqueue(
        evaluate_alerts_task,
        {"slug": slug, "expiry": expiry.isoformat(), "minute": minute.isoformat()},
        expires=CATCH_UP.total_seconds(),
    )


@receiver(token_failed)
def tell_staff_of_token(provider: str, message: str, stopped: bool, **_: Any) -> None:
    report_token_failures(provider=provider, message=message, stopped=stopped)


@receiver(cache_troubled)
def tell_staff_of_cache(subject: str, title: str, text: str, **_: Any) -> None:
    raise_system_alert(subject=subject, title=title, text=text)
