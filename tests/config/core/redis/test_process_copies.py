from __future__ import annotations

import multiprocessing

from config.core.redis.process_copies import ProcessCopies, forget_process_copies


def _use(copies: ProcessCopies[list[int]], answers: multiprocessing.Queue[list[int]]) -> None:
    with copies.lock:
        answers.put(copies.get("name"))


def test_value_is_made_once_a_name() -> None:
    copies: ProcessCopies[list[int]] = ProcessCopies(list)
    copies.get("one").append(1)
    assert copies.get("one") == [1]
    assert copies.get("two") == []


def test_forgetting_empties_every_copy() -> None:
    copies: ProcessCopies[list[int]] = ProcessCopies(list)
    copies.get("one").append(1)
    forget_process_copies()
    assert copies.get("one") == []


def test_forked_process_starts_empty_even_when_a_thread_held_the_lock() -> None:
    copies: ProcessCopies[list[int]] = ProcessCopies(list)
    copies.get("name").append(1)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[list[int]] = context.Queue()
    with copies.lock:
        process = context.Process(target=_use, args=(copies, answers))
        process.start()
        assert answers.get(timeout=10) == []
        process.join(10)
    assert copies.get("name") == [1]
