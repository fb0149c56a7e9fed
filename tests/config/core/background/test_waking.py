"""A worker's loop sleeps while there is nothing to do, and wakes when a thread needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from kombu.asynchronous import Hub

from config.core.background.worker_loop import WakeStep


class Consumer:
    def __init__(self) -> None:
        self.hub = Hub()

    def call_soon(self, work: Callable[[], None]) -> Any:
        return self.hub.call_soon(work)


def test_finished_task_wakes_the_sleeping_loop() -> None:
    consumer, acknowledged, turned = Consumer(), threading.Event(), threading.Event()
    step = WakeStep(consumer)
    step.start(consumer)
    # The next timer is far away, as in an idle worker.
    consumer.hub.call_later(600, lambda: None)
    loop = consumer.hub.create_loop()

    def turn() -> None:
        while not acknowledged.is_set():
            next(loop)
        turned.set()

    turning = threading.Thread(target=turn, daemon=True)
    turning.start()
    consumer.call_soon(acknowledged.set)
    assert turned.wait(10)


def test_idle_loop_has_no_timer_of_ours_and_a_restart_wakes_once() -> None:
    consumer = Consumer()
    step = WakeStep(consumer)
    for _ in range(3):
        step.start(consumer)
    assert not list(consumer.hub.timer.queue)
    assert len(consumer.hub.readers) == 1
    asked: list[int] = []
    consumer.call_soon(lambda: asked.append(1))
    loop = consumer.hub.create_loop()
    next(loop)
    assert asked == [1]


def test_flood_of_finished_tasks_fills_no_pipe_for_ever() -> None:
    consumer = Consumer()
    WakeStep(consumer).start(consumer)
    done: list[int] = []
    for number in range(100_000):
        consumer.call_soon(lambda number=number: done.append(number))  # type: ignore[misc]
    loop = consumer.hub.create_loop()
    next(loop)
    assert len(done) == 100_000
