"""The environment the settings are read from, and the checkout's folders."""

from __future__ import annotations

from pathlib import Path

import environ

from config.core.processes.privacy import keep_new_files_private

keep_new_files_private()
BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).expanduser().absolute()
