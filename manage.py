#!/usr/bin/env python
"""Django's command line for Greekdesk."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    if sys.argv[1:2] in (["demo"], ["up"]):
        # Settings are read once, when Django loads: what they depend on is decided before that.
        from portfolio.launch import PREPARATIONS

        PREPARATIONS[sys.argv[1]](sys.argv[2:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
