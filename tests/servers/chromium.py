"""The browser of the end-to-end tests: found, or installed where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = """\
************************************************************************
*  NO BROWSER: the browser tests were NOT run.                         *
*  Install Chromium with its driver and run `make test` again:         *
*      apt-get install chromium chromium-driver      (Debian, Ubuntu)  *
*      brew install --cask chromium chromedriver     (macOS)           *
************************************************************************"""


def browser_program() -> str | None:
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def driver_program() -> str | None:
    return shutil.which("chromedriver")


def has_browser() -> bool:
    return bool(browser_program() and driver_program())


def browser_ready() -> str:
    """Install the browser if it is missing and root can; a loud text when there is none."""
    if not has_browser() and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "--yes", "chromium", "chromium-driver"]):
            subprocess.run(
                ["apt-get", "--quiet", "--quiet", *command],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            )
    return "" if has_browser() else MISSING
