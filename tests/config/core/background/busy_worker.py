"""A worker with two threads and six short tasks, run by a test; prints how many were done in time.

Argument: the seconds it has.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import django


def main(seconds: float) -> None:
    django.setup()
    from config.celery import app

    done = threading.Semaphore(0)

    @app.task(name="tests.short")
    def short() -> None:
        time.sleep(0.05)
        done.release()

    ready = threading.Event()

    def watch() -> None:
        ready.wait(60)
        for _ in range(6):
            short.delay()
        ends = time.monotonic() + seconds
        count = sum(done.acquire(timeout=max(0.0, ends - time.monotonic())) for _ in range(6))
        # Celery has taken over the ordinary output.
        os.write(1, f"{count}\n".encode())
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    # As the desk runs it; gossip and heartbeats would wake the loop as well.
    worker = app.Worker(
        pool="threads",
        concurrency=2,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    from celery.signals import worker_ready

    worker_ready.connect(lambda **_: ready.set(), weak=False)
    worker.start()


if __name__ == "__main__":
    main(float(sys.argv[1]))
