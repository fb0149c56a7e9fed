"""Whether a process that runs by itself is well: ``alive.py ROLE``, the check of a container.

Web answers ``/health``; the others have sent a pulse lately. Run by path, as the same user and with
the same environment. Standard library only, so that it costs little each time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

LATEST_SECONDS = 30.0


def problem(role: str, port: int = 8000) -> str:
    """Return what is wrong; empty if nothing is."""
    return _web_problem(port) if role == "web" else _pulse_problem(role)


def _pulse_problem(role: str) -> str:
    try:
        age = time.time() - Path(os.environ["VAR_DIR"], f"{role}.pulse").stat().st_mtime
    except OSError:
        return f"{role} has done nothing yet."
    return "" if age < LATEST_SECONDS else f"{role} has done nothing for {age:.0f} s."


def _web_problem(port: int) -> str:
    import http.client

    # The desk answers to its own host names only; /health needs neither TLS nor log-in.
    host = os.environ["ALLOWED_HOSTS"].split(",")[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/health", headers={"Host": host})
        status = connection.getresponse().status
    except OSError as error:
        return f"/health does not answer: {error}."
    return "" if status == 200 else f"/health answers {status}."


if __name__ == "__main__":
    # An empty text would be an error.
    sys.exit(problem(sys.argv[1], *map(int, sys.argv[2:3])) or 0)
