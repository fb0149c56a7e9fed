"""A supervised process where forking is unsafe: a new interpreter that loads Django itself."""

from __future__ import annotations

import json
import sys

import django

from config.core.processes.process import run_target

if __name__ == "__main__":
    django.setup()
    _role, _target, _options = sys.argv[1:4]
    sys.exit(run_target(_role, _target, json.loads(_options)))
