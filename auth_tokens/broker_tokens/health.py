"""The tokens on ``/health``: names and states only."""

from __future__ import annotations

from auth_tokens.broker_tokens.states import token_states
from config.core.health import CheckResult, register_check


@register_check("tokens")
def check_tokens() -> CheckResult:
    """Degraded if a renewal fails or has stopped, or an existing token has expired."""
    wrong = [
        f"{state.provider}: {state.status}"
        for state in token_states()
        if state.status in ("failing", "stopped", "expired")
    ]
    return CheckResult("degraded" if wrong else "ok", detail="; ".join(wrong))
