"""Keys that a desk without an environment of its own makes once, and keeps for its user alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept_key(path: Path, make: Callable[[], str]) -> str:
    """The key in the file, made on first use. Of processes that start together one makes it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Readable by nobody else from its first moment, and complete from the moment it is there.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        try:
            os.link(name, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(name)
    return path.read_text().strip()
