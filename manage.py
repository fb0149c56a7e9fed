#!/usr/bin/env python
"""Django's command line for Greekdesk."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    if sys.argv[1:2] in (["demo"], ["up"], ["run_process"]):
        # Django reads settings once, when it loads, so prepare the environment first.
        from portfolio.demo.launch import PREPARATIONS

        PREPARATIONS[sys.argv[1]](sys.argv[2:])
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # The operator needs the message; a traceback would bury it.
        sys.exit(f"Greekdesk: {error}")
    except KeyboardInterrupt:
        # Interrupted while Django was loading; running commands report their own end.
        sys.exit(130)


if __name__ == "__main__":
    main()
