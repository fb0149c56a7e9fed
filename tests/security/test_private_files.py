"""Other users of the machine can read nothing that the desk keeps."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.core.processes.desk import Desk, serve
from config.core.processes.privacy import make_private
from tests.architecture.source import ROOT


def open_to_others(folder: Path) -> list[str]:
    paths = [folder, *folder.rglob("*")]
    return [
        str(path)
        for path in paths
        if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]


def test_command_under_an_open_umask_makes_private_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    made = "import os, django; django.setup(); open(os.environ['VAR_DIR'] + '/made', 'w').close()"
    subprocess.run(
        [sys.executable, "-c", made],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "VAR_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
        },
        umask=0o022,
        check=True,
        timeout=60,
    )
    assert (folder / "secret_key").exists()
    assert (folder / "made").exists()
    assert open_to_others(folder) == []


def test_start_closes_existing_files_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    (folder / "valkey" / "appendonlydir").mkdir(parents=True)
    (folder / "valkey" / "appendonlydir" / "file.aof").write_text("session")
    (folder / "greekdesk.sqlite3-wal").write_text("session")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    # The port is invalid, so nothing else starts.
    assert serve(Desk(data=folder, host="127.0.0.1", port=0)) == 1
    assert open_to_others(folder) == []
    assert "5 files and folders" in capsys.readouterr().out


def test_links_and_shared_folders_are_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not the desk's")
    elsewhere.chmod(0o644)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "file").write_text("somebody's")
    (shared / "file").chmod(0o644)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "link").symlink_to(elsewhere)
    assert make_private(data) == make_private(shared) == 0
    assert elsewhere.stat().st_mode & 0o777 == 0o644
    assert (shared / "file").stat().st_mode & 0o777 == 0o644
