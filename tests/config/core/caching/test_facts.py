"""The record of what the cache did for one request."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor

from config.core.caching.facts import note_cache_hit, note_cache_miss, recording_cache_facts


def test_each_record_holds_its_own_reads() -> None:
    note_cache_hit("nobody listens")
    with recording_cache_facts() as outer:
        note_cache_hit("gex")
        with recording_cache_facts() as inner:
            note_cache_miss("pnl")
        note_cache_miss("returns")
    assert (outer.hits, outer.misses) == (["gex"], ["returns"])
    assert (inner.hits, inner.misses) == ([], ["pnl"])


def test_threads_in_a_copy_of_the_context_take_part() -> None:
    with recording_cache_facts() as facts, ThreadPoolExecutor(2) as pool:
        contexts = [contextvars.copy_context() for _ in range(8)]
        for n, context in enumerate(contexts):
            pool.submit(context.run, note_cache_hit, str(n))
    assert sorted(facts.hits) == [str(n) for n in range(8)]
