"""Alerts to staff about the desk itself: failed tokens, providers that forbid calls, silent
chains.
"""

from __future__ import annotations

from config.core.clock import market_now
from config.core.redaction import redact_text
from config.core.web.formatting import day
from greeks.alerts.events import raise_system_alert
from greeks.models import AlertEvent
from greeks.polling.silent import SILENT_AFTER, SilentChains, silent_chains


def report_token_failures(*, provider: str, message: str, stopped: bool) -> list[AlertEvent]:
    """Alert staff that a provider's token could not be obtained."""
    follows = "The desk will not retry until somebody acts: see System." if stopped else ""
    return raise_system_alert(
        subject=f"token:{provider}",
        title=f"The token of {provider} could not be renewed",
        text=redact_text(f"{message} {follows}".strip()),
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


def _text(silent: SilentChains) -> str:
    minutes = int(SILENT_AFTER.total_seconds() // 60)
    if not silent.expiries:
        return f"{silent.instrument.provider} lists no expiry to poll."
    chains = ", ".join(filter(None, (day(expiry) for expiry in silent.expiries)))
    return (
        f"Nothing has come from {silent.instrument.provider} for {minutes} minutes "
        f"for the expiries {chains}. The minutes stay marked as gaps."
    )
