"""A process of the desk that does, for a test, what no page offers: one list of steps a line.

It answers each line with a line of JSON: "" or the traceback. Starting a process for each would
cost more than most steps do.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

import django


def serve() -> None:
    """Run the steps of each line until the desk ends the input."""
    django.setup()
    from django.db import connections

    from config.core.processes.targets import prepare
    from tests.own_memory import forget_own_memory

    # What commands print belongs to the log.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        answer = ""
        try:
            # As a new process would.
            forget_own_memory()
            prepare(steps=json.loads(line))
        except (Exception, SystemExit):  # noqa: BLE001 - the test that asked raises it
            answer = traceback.format_exc()
        connections.close_all()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
