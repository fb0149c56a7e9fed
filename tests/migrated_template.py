"""One migrated database a run, of which each worker and each desk gets a copy.

A copy takes no time. The migrations take seconds, in each of a dozen processes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection


def shared_folder() -> Path:
    """Return the data folder that all workers of a run have in common."""
    own = Path(settings.VAR_DIR)
    return own.parent if own.name == os.environ.get("PYTEST_XDIST_WORKER") else own


@contextmanager
def own_database() -> Iterator[None]:
    """Connect this process to a copy of its own, until the block ends."""
    suffix = os.environ.get("PYTEST_XDIST_WORKER", "own")
    creation: Any = connection.creation
    before = connection.settings_dict["NAME"]
    with (shared_folder() / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _connect_to_template()
        # PostgreSQL copies a database only when nobody is connected to it.
        connection.close()
        creation.clone_test_db(suffix, verbosity=0)
        _name(creation.get_test_db_clone_settings(suffix)["NAME"])
    try:
        yield
    finally:
        _end_other_sessions()
        creation.destroy_test_db(before, verbosity=0)


def _end_other_sessions() -> None:
    """End what a test's thread or process left connected: PostgreSQL drops no database in use."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def copy_template(path: Path) -> None:
    """Copy the run's migrated SQLite file, which the fixture ``django_db_setup`` makes."""
    shutil.copy(str(connection.settings_dict["TEST"]["NAME"]), path)


def _connect_to_template() -> None:
    """Connect to the template; the first of the run migrates it."""
    creation: Any = connection.creation
    migrated = shared_folder() / f"template.{connection.vendor}"
    if migrated.exists():
        _name(creation._get_test_db_name())
    else:
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        migrated.touch()


def _name(name: str) -> None:
    connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name
