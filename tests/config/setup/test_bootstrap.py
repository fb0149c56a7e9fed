"""config/bootstrap.py on a bare Python: without the environment that it is there to make."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files of set-up, and none that it makes."""
    (tmp_path / "config").mkdir()
    for path in (ROOT / "config").glob("*.py"):
        shutil.copy(path, tmp_path / "config")
    shutil.copytree(ROOT / "config" / "setup", tmp_path / "config" / "setup")
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, tmp_path)
    return tmp_path


def bootstrap(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -S: no installed package is seen. Nothing is fetched: the index is a closed port.
    return subprocess.run(
        [sys.executable, "-S", str(checkout / "config" / "bootstrap.py"), *arguments],
        env=os.environ | {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "abc"), "PORT=abc is not a port: give a number from 1 to 65535."),
        (("--port", "70000"), "PORT=70000 is not a port: give a number from 1 to 65535."),
        (("--chain", "none.json"), "CHAIN=none.json is not a file that can be read."),
        (("--seed", "x"), "SEED=x is not a whole number."),
    ],
)
def test_impossible_argument_is_refused_before_anything_is_set_up(
    checkout: Path, arguments: tuple[str, str], said: str
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = str(probe.getsockname()[1])
    done = bootstrap(checkout, "run", "--port", free, *arguments)
    assert (done.returncode, done.stderr) == (1, f"Greekdesk: {said}\n")
    assert not (checkout / ".venv").exists()


def test_taken_port_is_refused_with_the_way_out(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = bootstrap(checkout, "run", "--port", str(port))
    assert done.stderr == (
        f"Greekdesk: port {port} is taken by another program. Choose one: make run PORT=8001\n"
    )


def test_clean_removes_what_set_up_made_and_nothing_else(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / "node_modules").mkdir()
    done = bootstrap(checkout, "clean")
    assert done.returncode == 0, done.stderr
    assert not (checkout / ".venv").exists()
    assert not (checkout / "node_modules").exists()
    assert (checkout / "config" / "bootstrap.py").exists()
