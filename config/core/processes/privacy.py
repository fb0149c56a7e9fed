"""The data folder is for the desk's own user: it holds keys, sessions and positions.

Standard library only: settings use it before anything else is loaded.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_new_files_private() -> None:
    """Let this process and those it starts create folders 0700 and files 0600."""
    os.umask(_OTHERS)


def make_private(folder: Path) -> int:
    """Take group's and others' rights from what this user owns in it. Returns how many changed.

    Links are left alone, and so is a folder that is plainly not the desk's alone: the root, a home,
    or one where everybody may write.
    """
    try:
        mode = folder.stat().st_mode
    except OSError:
        return 0
    if mode & stat.S_ISVTX or folder.resolve() in (Path("/"), Path.home().resolve()):
        return 0
    changed = int(_close(folder))
    for parent, folders, files in os.walk(folder):
        changed += sum(_close(Path(parent, name)) for name in (*folders, *files))
    return changed


def _close(path: Path) -> bool:
    """Return whether it had rights to take."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
            return False
        if not status.st_mode & _OTHERS:
            return False
        path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)
    except OSError:
        # Another process removed or replaced it.
        return False
    return True
