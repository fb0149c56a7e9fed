"""What ``/health`` says of the tokens: names and states, nothing else."""

from __future__ import annotations

from auth_tokens.broker_tokens.states import token_states
from config.core.health import CheckResult, register_check


@register_check("tokens")
def check_tokens() -> CheckResult:
    """Degraded while a renewal fails or has stopped, or a token that was there has ended."""
    wrong = [
        f"{state.provider}: {state.status}"
        for state in token_states()
        if state.status in ("failing", "stopped", "expired")
    ]
    return CheckResult("degraded" if wrong else "ok", detail="; ".join(wrong))
