"""``manage.py remove_second_factor``: for somebody who lost both their app and their codes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from auth_tokens.models import User
from auth_tokens.second_factor.writing import remove
from config.core.commands.command import DeskCommand


class Command(DeskCommand):
    help = (
        "Remove a user's second factor and end their sessions. Staff set up a new one at their"
        " next log-in where STAFF_NEEDS_SECOND_FACTOR is on. Make sure who asks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"No such user: {options['username']}.")
        if user.second_factor_since is None:
            raise CommandError(f"{user.username} has no second factor.")
        remove(user)
        self.stdout.write(f"{user.username}: the second factor is removed, sessions have ended.")
