"""Set up a bare checkout and hand over: ``python3 config/bootstrap.py run|test|check|...``.

Runs by path on Python 3.11 or newer, standard library only. Each step reports what it does and how
long it took, and is skipped if its inputs have not changed, so only the first run needs a network.
Every expected failure is one line and exit code 1.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("Greekdesk needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2])

import os
import types

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
# Run by path, this folder comes first and its modules would shadow others of the same name.
sys.path[:] = [ROOT, *(entry for entry in sys.path if os.path.abspath(entry or ".") != HERE)]
# Register only the folder: the package itself starts Celery, which is not installed yet.
sys.modules["config"] = types.ModuleType("config")
sys.modules["config"].__path__ = [HERE]

import argparse
import errno
import shutil
import socket
from pathlib import Path

from config.setup.failures import SetupError, explain
from config.setup.packages import PYTHON, make_locks, set_up
from config.setup.steps import STAMPS, alone

RUN_COMMANDS = {"run": "runtime", "test": "development", "check": "development"}
RUN_COMMANDS |= {"bench": "development", "audit": "development", "setup": "development"}
RUN_COMMANDS |= {"lighthouse": "development", "containers": "development"}
RUN_COMMANDS |= {"install": "runtime"}


def checked_run_arguments(arguments: argparse.Namespace) -> list[str]:
    """Return the desk's arguments; reject invalid ones before minutes of set-up."""
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
    """Keep compiled modules in the environment where writing them beside the source is disabled
    (often in containers): without them each start takes three times as long."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(STAMPS / "bytecode"))


def clean() -> None:
    """Remove everything set-up and running created, and nothing git tracks."""
    for name in (".venv", "node_modules", "var", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        shutil.rmtree(os.path.join(ROOT, name), ignore_errors=True)
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
    if command in ("setup", "install"):
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
