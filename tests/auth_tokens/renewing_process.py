"""A process that asks for tokens, run by tests: arguments are the database's name and the work.

``renew N``: N threads find the same token refused at the same moment; prints what they got as JSON.
``hang``: begins a renewal, says ``renewing`` and never ends. ``browser``: the same with a browser.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import django
from django.conf import settings


def main(database: str, work: str, threads: int) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from auth_tokens.broker_tokens.manager import renew_token
    from auth_tokens.broker_tokens.sources import Attempt, register_token_provider
    from tests.auth_tokens.sources import PROVIDER, scripted_source

    register_token_provider(PROVIDER, "tests.auth_tokens.sources.scripted_source")
    source = scripted_source()

    def take_a_while(attempt: Attempt) -> None:
        time.sleep(0.3)

    def hang(attempt: Attempt) -> None:
        print("renewing", flush=True)  # noqa: T201
        threading.Event().wait()

    if work == "browser":
        from auth_tokens.broker_log_ins.browser import HeadlessBrowser

        with HeadlessBrowser(provider=PROVIDER):
            print("renewing", flush=True)  # noqa: T201
            threading.Event().wait()
    if work == "hang":
        source.meanwhile = hang
        renew_token(PROVIDER, refused="")
        return
    source.meanwhile = take_a_while
    got: list[str] = []
    together = threading.Barrier(threads)

    def ask() -> None:
        together.wait()
        got.append(renew_token(PROVIDER, refused="refused-by-all"))

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    print(json.dumps({"got": sorted(set(got)), "obtained": source.obtained}))  # noqa: T201


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
