"""Keys generated once for a desk without configured ones, readable only by its user."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept_key(path: Path, make: Callable[[], str]) -> str:
    """Return the key in the file, creating it on first use. Only one process creates it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Private from its creation, and complete once visible.
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
