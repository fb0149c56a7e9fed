"""Alerts to staff about the desk itself: failed tokens, providers that forbid calls, silent
chains, and alarms of other rooms.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from auth_tokens.broker_tokens.states import token_states
from config.core.alarms import found_alarms
from config.core.clock import market_now, now
from config.core.redaction import redact_text
from config.core.web.formatting import day
from greeks.alerts.events import raise_system_alert
from greeks.models import AlertEvent
from greeks.polling.silent import SILENT_AFTER, SilentChains, silent_chains

#: Days before a token's end at which its replacement is asked for.
_WARNED_DAYS: Final = (30, 7, 1)


def report_token_failures(*, provider: str, message: str, stopped: bool) -> list[AlertEvent]:
    """Alert staff that a provider's token could not be obtained."""
    follows = "The desk will not retry until somebody acts: see System." if stopped else ""
    return raise_system_alert(
        subject=f"token:{provider}",
        title=f"The token of {provider} could not be renewed",
        text=redact_text(f"{message} {follows}".strip()),
    )


def report_ending_tokens(provider: str) -> list[AlertEvent]:
    """Alert staff 30, 7 and 1 days before a token ends that a person has to replace.

    Each warning is sent once for each end.
    """
    state = next(each for each in token_states() if each.provider == provider)
    if not state.opens or state.expires_at is None:
        return []
    left = state.expires_at - now()
    stage = min((days for days in _WARNED_DAYS if left <= timedelta(days=days)), default=None)
    if stage is None:
        return []
    subject = f"token_ends:{provider}:{state.expires_at:%Y-%m-%d}:{stage}"
    if AlertEvent.objects.filter(kind=AlertEvent.Kind.SYSTEM, subject=subject).exists():
        return []
    return raise_system_alert(
        subject=subject,
        title=f"The token of {provider} ends on {day(state.expires_at.date())}",
        text="Make a new one before it ends and set it in the environment: docs/tokens.md.",
    )


def forbidden_report(*, provider: str, message: str) -> list[AlertEvent]:
    """Alert staff that a provider forbids the desk's calls and that they have stopped."""
    return raise_system_alert(
        subject=f"forbidden:{provider}",
        title=f"{provider} forbids the desk's calls",
        text=redact_text(f"{message} Calls have stopped; the desk retries every few minutes."),
    )


def report_silent_chains() -> list[AlertEvent]:
    """Alert staff to each instrument without samples while its exchange trades."""
    raised = []
    for silent in silent_chains(market_now()):
        raised += raise_system_alert(
            subject=f"chain:{silent.instrument.slug}",
            title=f"{silent.instrument.name}: no samples in session",
            text=_text(silent),
        )
    return raised


def report_alarms() -> list[AlertEvent]:
    """Alert staff to what any room has registered as a trouble and finds now."""
    raised = []
    for alarm in found_alarms():
        raised += raise_system_alert(
            subject=f"alarm:{alarm.subject}", title=alarm.title, text=redact_text(alarm.text)
        )
    return raised


def _text(silent: SilentChains) -> str:
    minutes = int(SILENT_AFTER.total_seconds() // 60)
    if not silent.expiries:
        return f"{silent.instrument.provider} lists no expiry to poll."
    chains = ", ".join(filter(None, (day(expiry) for expiry in silent.expiries)))
    return (
        f"Nothing has come from {silent.instrument.provider} for {minutes} minutes "
        f"for the expiries {chains}. The minutes stay marked as gaps."
    )
