"""One reading asks each thing once, in all its threads; the next reading asks anew."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from config.core.one_reading import once, one_reading


def test_reading_asks_once_in_all_its_threads_and_the_next_anew() -> None:
    numbers = itertools.count(1)

    def ask() -> int:
        return once("number", lambda: next(numbers))

    assert [ask(), ask()] == [1, 2]
    with one_reading():
        first = ask()
        with one_reading(), ThreadPoolExecutor(1) as threads:
            assert threads.submit(copy_context().run, ask).result() == first == 3
        assert ask() == 3
    with one_reading():
        assert ask() == 4
    assert ask() == 5


def test_what_fails_is_asked_again() -> None:
    divisors = iter([0, 1])

    def ask() -> int:
        return 7 // next(divisors)

    with one_reading():
        with pytest.raises(ZeroDivisionError):
            once("number", ask)
        assert once("number", ask) == 7
