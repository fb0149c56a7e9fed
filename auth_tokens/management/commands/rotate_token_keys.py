"""``manage.py rotate_token_keys``: encrypt the stored tokens with the first key."""

from __future__ import annotations

import json
from dataclasses import asdict
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
            self.stdout.write(json.dumps(asdict(done)))
        else:
            for name, providers in asdict(done).items():
                self.stdout.write(f"{name}: {', '.join(providers) or 'none'}")
        if done.undecryptable:
            raise CommandError(
                "No key decrypts the token of: " + ", ".join(done.undecryptable) + ". Add the key"
                " it was encrypted with; without it the desk obtains a new token."
            )
