from __future__ import annotations

import threading

import pytest

from config.core.errors import LockHeld
from config.core.redis.client import key
from config.core.redis.locks import subject_is_locked, subject_lock
from tests.config.core.servers import OwnValkey

SUBJECT = "account.U1"


def _hold_in_another_process(server: OwnValkey, seconds: float = 30) -> None:
    """What another process's lock looks like from here."""
    server.client().set(key("lock", SUBJECT), "theirs", px=int(seconds * 1000))


def test_second_holder_in_this_process_is_refused(own_valkey: OwnValkey) -> None:
    with (
        subject_lock(SUBJECT, seconds=5),
        pytest.raises(LockHeld, match=SUBJECT),
        subject_lock(SUBJECT, seconds=5),
    ):
        pass


def test_subject_held_by_another_process_is_refused(own_valkey: OwnValkey) -> None:
    _hold_in_another_process(own_valkey)
    with pytest.raises(LockHeld), subject_lock(SUBJECT, seconds=5):
        pass
    assert own_valkey.client().get(key("lock", SUBJECT)) == "theirs"


def test_refusal_leaves_the_subject_free_for_later(own_valkey: OwnValkey) -> None:
    _hold_in_another_process(own_valkey)
    with pytest.raises(LockHeld), subject_lock(SUBJECT, seconds=5):
        pass
    own_valkey.client().delete(key("lock", SUBJECT))
    with subject_lock(SUBJECT, seconds=5):
        assert own_valkey.client().exists(key("lock", SUBJECT))


def test_lock_ends_with_the_block_even_after_an_error(own_valkey: OwnValkey) -> None:
    with pytest.raises(ZeroDivisionError), subject_lock(SUBJECT, seconds=5):
        raise ZeroDivisionError
    assert not own_valkey.client().exists(key("lock", SUBJECT))
    assert not subject_is_locked(SUBJECT)


def test_lock_of_a_dead_process_runs_out(own_valkey: OwnValkey) -> None:
    with subject_lock(SUBJECT, seconds=5):
        assert 4000 < own_valkey.client().pttl(key("lock", SUBJECT)) <= 5000


def test_lock_that_ran_out_and_is_anothers_is_not_released(own_valkey: OwnValkey) -> None:
    with subject_lock(SUBJECT, seconds=5) as lock:
        _hold_in_another_process(own_valkey)
        assert not lock.keep(5)
    assert own_valkey.client().get(key("lock", SUBJECT)) == "theirs"


def test_extended_lock_lasts_longer(own_valkey: OwnValkey) -> None:
    with subject_lock(SUBJECT, seconds=1) as lock:
        assert lock.keep(60)
        assert own_valkey.client().pttl(key("lock", SUBJECT)) > 50_000


def test_other_subjects_are_free(own_valkey: OwnValkey) -> None:
    with subject_lock("account.U1", seconds=5), subject_lock("account.U2", seconds=5):
        assert subject_is_locked("account.U1")
        assert subject_is_locked("account.U2")


def test_without_redis_threads_of_the_process_still_exclude_each_other(no_redis: None) -> None:
    refused = threading.Event()

    def other() -> None:
        try:
            with subject_lock(SUBJECT, seconds=5):
                pass
        except LockHeld:
            refused.set()

    with subject_lock(SUBJECT, seconds=5) as lock:
        assert subject_is_locked(SUBJECT)
        assert lock.keep(5)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused.is_set()
    assert not subject_is_locked(SUBJECT)


def test_redis_lost_while_held_lets_the_work_finish(mortal_valkey: OwnValkey) -> None:
    with subject_lock(SUBJECT, seconds=5):
        mortal_valkey.kill()
        with pytest.raises(LockHeld), subject_lock(SUBJECT, seconds=5):
            pass
    assert not subject_is_locked(SUBJECT)
