"""What the desk's ``manage.py`` commands share."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from redis.exceptions import RedisError

from config.core.errors import ApplicationError


class DeskCommand(BaseCommand):
    """A command that says in one line what stopped it, without a traceback."""

    #: Whether events are logged. A command that ends reports its results itself.
    serves = False

    def run_from_argv(self, argv: list[str]) -> None:
        if not self.serves and "LOG_LEVEL" not in os.environ:
            logging.disable(logging.WARNING)
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except ApplicationError as error:
            raise CommandError(_named(error, options)) from error
        except RedisError as error:
            raise CommandError(f"Redis does not answer ({type(error).__name__}).") from error
        except DatabaseError as error:
            said = str(error).strip().partition("\n")[0].rstrip(".")
            lacks_tables = "no such table" in said or "does not exist" in said
            advice = " Run `manage.py migrate` first." * lacks_tables
            raise CommandError(f"The database says: {said}.{advice}") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None


def _named(error: ApplicationError, options: Mapping[str, Any]) -> str:
    """Return the message, with the fields that it does not name itself, as options if they are."""
    fields = [
        f"--{name.replace('_', '-')}: {text}" if name in options else f"{name}: {text}"
        for name, text in error.fields.items()
        if f"{name}: " not in error.message
    ]
    return " ".join([error.message, *fields])
