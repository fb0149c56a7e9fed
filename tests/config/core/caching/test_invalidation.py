"""What a change removes, when, and what is recorded of it."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.db import transaction
from django.test import override_settings

from config.core.caching import invalidation
from config.core.caching.changes import Change
from config.core.caching.invalidation import (
    clear_cache,
    invalidate_after_commit,
    invalidate_changed,
    recent_invalidations,
)
from config.core.caching.manager import CacheManager
from config.core.caching.reading import read_resource
from config.core.errors import Unavailable
from tests.config.core.caching.desk import a_resource, asked, curve, declared, performance
from tests.config.core.caching.test_manager import NOWHERE

GEX, PNL, SOURCES = a_resource(), curve(), performance()


def fill() -> None:
    read_resource(GEX, asked(GEX, symbol="SPY"))
    for owner in ("+U1+U2+", "+U2+"):
        for account_id in (None, "U1", "U2"):
            read_resource(PNL, asked(PNL, owner, account_id=account_id))
        read_resource(SOURCES, asked(SOURCES, owner))


def test_change_of_an_account_removes_what_covers_it_for_whoever_sees_it() -> None:
    with declared(GEX, PNL, SOURCES) as (manager, _, _):
        fill()
        event = invalidate_changed(
            Change.POSITION_UPDATE, triggered_by="a sync", account_ids=["U1"]
        )
        assert event is not None
        assert event.affected_keys == [
            "analytics:pnl:U1:~all..~all:@+U1+U2+",
            "analytics:pnl:U1:~all..~all:@+U2+",
            "analytics:pnl:~all:~all..~all:@+U1+U2+",
        ]
        assert recent_invalidations() == [event]
        assert manager.invalidate("*") == 6


def test_change_of_a_user_s_signals_removes_their_own_answers_only() -> None:
    with declared(GEX, PNL, SOURCES):
        fill()
        event = invalidate_changed(Change.SIGNAL_UPDATE, triggered_by="x", users=["+U2+"])
        assert event is not None
        assert event.affected_keys == ["performance:sources:~all..~all:@+U2+"]
        everybody = invalidate_changed(Change.SIGNAL_UPDATE, triggered_by="x")
        assert everybody is not None
        assert everybody.removed == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_removed_before_the_commit_nor_after_a_rollback() -> None:
    with declared(PNL) as (manager, _, _):
        question = asked(PNL, "+U1+", account_id="U1")
        read_resource(PNL, question)

        def change() -> None:
            invalidate_after_commit(
                Change.EXECUTION_UPDATE, triggered_by="fills", account_ids=["U1"]
            )
            assert read_resource(PNL, question).hit

        with transaction.atomic():
            change()
            transaction.set_rollback(True)
        assert read_resource(PNL, question).hit
        with transaction.atomic():
            change()
        assert manager.invalidate("*") == 0


def test_operator_s_clearing_is_recorded_with_who_asked() -> None:
    with declared(GEX, PNL):
        read_resource(GEX, asked(GEX, symbol="SPY"))
        event = clear_cache("gex:*", triggered_by="alice")
        assert (event.event_type, event.triggered_by, event.removed) == ("manual_clear", "alice", 1)


def test_record_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invalidation, "KEPT_EVENTS", 10)
    monkeypatch.setattr(invalidation, "_MOST_KEYS", 3)
    manager = CacheManager()
    for n in range(300):
        if n < 5:
            manager.set(f"a:{n}", n, 60)
        event = clear_cache("a:*" if n == 5 else "b:*", triggered_by="x")
        if n == 5:
            assert (len(event.affected_keys), event.removed) == (3, 5)
    assert len(recent_invalidations(1_000)) < 200


@override_settings(CACHES=NOWHERE)
def test_failure_is_logged_with_what_is_left_to_its_time() -> None:
    with declared(PNL), patch.object(invalidation, "logger") as log:
        failed = invalidate_changed(
            Change.POSITION_UPDATE, triggered_by="a sync", account_ids=["U1"]
        )
        assert failed is None
        with pytest.raises(Unavailable):
            clear_cache("*", triggered_by="alice")
    (told,) = log.error.call_args_list
    assert (told.args, told.kwargs["change"]) == (("cache.not_invalidated",), "position_update")
    assert "analytics:pnl:U1:*" in told.kwargs["patterns"]
