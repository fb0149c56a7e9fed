"""``manage.py rotate_token_keys``: encrypt the stored tokens with the first key."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from auth_tokens.broker_tokens.key_rotation import rotate_token_keys
from config.core.commands.command import DeskCommand


class Command(DeskCommand):
    help = (
        "Encrypt the brokers' tokens with the first key of TOKEN_ENCRYPTION_KEYS, so that the"
        " others can be removed. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        done = rotate_token_keys()
        if options["json"]:
            self.stdout.write(json.dumps(done))
        else:
            for name, providers in done.items():
                self.stdout.write(f"{name}: {', '.join(providers) or 'none'}")
        if lost := done["undecryptable"]:
            raise CommandError(
                f"No key decrypts the token of: {', '.join(lost)}. Add the key"
                " it was encrypted with; without it the desk obtains a new token."
            )
