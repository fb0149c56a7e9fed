"""``python -m tests.benchmarks.child module:function ANSWER OPTIONS``: a row inside Django."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import django

from tests.benchmarks.options import Options


def main(function: str, answer: str, options: str) -> None:
    django.setup()
    from config.core.processes.targets import migrate_database

    migrate_database()
    module, _, name = function.partition(":")
    rows = getattr(import_module(module), name)(Options(**json.loads(options)))
    Path(answer).write_text(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main(*sys.argv[1:])
