"""Grants alone: bounded, revocable, and never stored over a revocation."""

from __future__ import annotations

import threading

import pytest

from config.core.front_door import grants as module
from config.core.front_door.grants import (
    OUTAGE_SECONDS,
    CommonHeaders,
    Grant,
    Grants,
    revoke_here,
)
from config.core.front_door.requests import Caller
from config.core.front_door.resources import Resource
from config.core.front_door.throttle import MOST_ADDRESSES, Addresses, Allowance

RESOURCE = Resource("r", "/r", "nowhere.Source")
COMMON = CommonHeaders(())


def caller(name: str) -> Caller:
    return Caller(False, name.encode(), b"host", b"", "http")


def grant(name: str, *, user_id: int = 1, ends: float = 100.0) -> Grant:
    return Grant(
        resource=RESOURCE,
        caller=caller(name),
        user_id=user_id,
        key=(name,),
        checked=0.0,
        ends=ends,
        headers=COMMON,
    )


@pytest.fixture
def grants() -> Grants:
    made = Grants(clock=lambda: 0.0)
    made.listen(True)
    return made


def stored(grants: Grants, one: Grant) -> bool:
    epoch = grants.epoch()
    return epoch is not None and grants.store(one, epoch=epoch)


def test_nothing_is_granted_before_revocations_are_heard() -> None:
    grants = Grants()
    assert grants.epoch() is None
    assert not grants.store(grant("a"), epoch=0)


def test_grant_holds_until_it_expires(grants: Grants) -> None:
    assert stored(grants, grant("a", ends=10.0))
    assert grants.get(RESOURCE, caller("a"), 9.9) is not None
    assert grants.get(RESOURCE, caller("a"), 10.0) is None
    assert grants.get(RESOURCE, caller("b"), 0.0) is None


@pytest.mark.parametrize(
    "revoke",
    [
        lambda grants: grants.revoke_user(1),
        lambda grants: grants.revoke_user(2),
        lambda grants: grants.revoke_all(),
        lambda grants: grants.listen(False),
        lambda grants: (grants.listen(False), grants.listen(True)),
    ],
)
def test_check_that_began_before_a_revocation_stores_nothing(
    grants: Grants, revoke: object
) -> None:
    epoch = grants.epoch()
    assert epoch is not None
    revoke(grants)  # type: ignore[operator]
    assert not grants.store(grant("a"), epoch=epoch)
    assert len(grants) == 0


def test_revocation_ends_the_users_grants_and_no_others(grants: Grants) -> None:
    for name, user_id in (("a", 1), ("b", 1), ("c", 2)):
        assert stored(grants, grant(name, user_id=user_id))
    revoke_here(1)
    assert grants.get(RESOURCE, caller("a"), 0.0) is None
    assert grants.get(RESOURCE, caller("b"), 0.0) is None
    assert grants.get(RESOURCE, caller("c"), 0.0) is not None
    assert grants.in_use() == {("r", ("c",))}


def test_memory_of_grants_is_bounded(grants: Grants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GRANTS", 50)
    for number in range(200):
        assert stored(grants, grant(f"a{number}", user_id=1))
    assert len(grants) == module.MOST_OF_ONE_USER
    for number in range(200):
        assert stored(grants, grant(f"b{number}", user_id=10 + number))
    assert len(grants) == 50


def test_expired_grants_are_dropped_with_all_that_is_kept_of_them() -> None:
    moment = [0.0]
    grants = Grants(clock=lambda: moment[0])
    grants.listen(True)
    assert stored(grants, grant("a", ends=10.0))
    assert stored(grants, grant("b", ends=20.0))
    moment[0] = 15.0
    grants.drop_expired()
    assert len(grants) == 1
    assert grants.in_use() == {("r", ("b",))}


def test_no_interleaving_of_checks_and_revocations_leaves_a_revoked_grant() -> None:
    """Two threads at once, many times: the access either ends after the store, or prevents it."""
    for _ in range(300):
        grants = Grants(clock=lambda: 0.0)
        grants.listen(True)
        database = {"a"}
        start = threading.Barrier(2)

        def check(
            grants: Grants = grants,
            start: threading.Barrier = start,
            database: set[str] = database,
        ) -> None:
            start.wait(5)
            epoch = grants.epoch()
            if "a" in database and epoch is not None:
                grants.store(grant("a"), epoch=epoch)

        thread = threading.Thread(target=check)
        thread.start()
        start.wait(5)
        # Database first, announcement second: the order in which access ends.
        database.clear()
        grants.revoke_user(1)
        thread.join(5)
        assert grants.get(RESOURCE, caller("a"), 0.0) is None


def test_allowance_is_for_one_second() -> None:
    allowance = Allowance()
    assert [allowance.is_used_up(5.1, 2) for _ in range(3)] == [False, False, True]
    assert allowance.is_used_up(5.9, 2)
    assert not allowance.is_used_up(6.0, 2)
    assert not any(allowance.is_used_up(7.0, 0) for _ in range(1000))


def test_addresses_are_counted_apart_in_bounded_memory() -> None:
    addresses = Addresses()
    for number in range(MOST_ADDRESSES + 500):
        addresses.is_used_up(f"192.0.2.{number}", 1.0, 3)
    assert len(addresses) <= MOST_ADDRESSES + 1
    # Those for whom there was no room share one allowance.
    assert addresses.is_used_up("198.51.100.1", 1.0, 3)
    assert not addresses.is_used_up("192.0.2.1", 1.0, 3)
    assert not addresses.is_used_up("198.51.100.1", 2.0, 3)


def test_grant_outlives_its_minute_only_while_nobody_can_check_it() -> None:
    moment = [0.0]
    grants = Grants(clock=lambda: moment[0])
    grants.listen(True)
    assert stored(grants, grant("short", ends=90.0))
    assert stored(grants, grant("long", ends=10_000.0))
    for moment[0] in range(0, 1200, 5):
        grants.hold()
        held = {name for name in ("short", "long") if grants.get(RESOURCE, caller(name), moment[0])}
        expected = {"short": moment[0] < 90, "long": moment[0] < OUTAGE_SECONDS}
        assert held == {name for name, holds in expected.items() if holds}
    moment[0] = 0.0
    assert stored(grants, grant("revoked", ends=10_000.0))
    grants.revoke_user(1)
    grants.hold()
    assert grants.get(RESOURCE, caller("revoked"), 0.0) is None
