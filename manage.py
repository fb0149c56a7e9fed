#!/usr/bin/env python
"""Django's command line for Greekdesk."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    if sys.argv[1:2] in (["demo"], ["up"]):
        # Settings are read once, when Django loads: what they depend on is decided before that.
        from portfolio.demo.launch import PREPARATIONS

        PREPARATIONS[sys.argv[1]](sys.argv[2:])
    elif sys.argv[1:2] in (["add_account"], ["sync_portfolio"]):
        # They say themselves what they found; LOG_LEVEL shows the events behind it, too.
        os.environ.setdefault("LOG_LEVEL", "ERROR")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # What a setting must be is for whoever set it: a trace would bury it.
        sys.exit(f"Greekdesk: {error}")
    except KeyboardInterrupt:
        # While Django was loading; a command that runs says itself how it stopped.
        sys.exit(130)


if __name__ == "__main__":
    main()
