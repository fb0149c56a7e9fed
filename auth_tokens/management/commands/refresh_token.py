"""``manage.py refresh_token PROVIDER``: obtain a new token now."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from auth_tokens.broker_tokens.manager import refresh_token
from auth_tokens.broker_tokens.sources import registered_token_providers
from auth_tokens.broker_tokens.states import TokenState, token_states
from config.core.commands.command import DeskCommand
from config.core.errors import ApplicationError


class Command(DeskCommand):
    help = (
        "Obtain a new token from a provider now, without waiting for the pause after a failure."
        " The limits that keep the account from being locked still apply."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", choices=registered_token_providers(), metavar="PROVIDER")
        parser.add_argument(
            "--reset",
            action="store_true",
            help="clear the stop first: its cause is fixed (account unlocked, page adapted)",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        provider: str = options["provider"]
        error = ""
        try:
            refresh_token(provider, reset=options["reset"])
        except ApplicationError as raised:
            error = raised.message
        state = next(each for each in token_states() if each.provider == provider)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(state) | {"error": error or None}))
        elif not error:
            ends = f"until {state.expires_at:%Y-%m-%d %H:%M} UTC" if state.expires_at else "for now"
            self.stdout.write(f"{provider}: a new token ({state.source}), valid {ends}.")
        if error:
            raise CommandError(f"{provider}: no new token. {error}")


def _as_json(state: TokenState) -> dict[str, Any]:
    def moment(value: Any) -> str | None:
        return None if value is None else value.isoformat()

    return {
        "provider": state.provider,
        "status": state.status,
        "source": state.source or None,
        "obtained_at": moment(state.obtained_at),
        "expires_at": moment(state.expires_at),
        "next_try_at": moment(state.next_try_at),
    }
