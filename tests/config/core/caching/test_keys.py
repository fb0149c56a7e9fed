"""Keys: as documented, injective, and closed to whatever a name may hold."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from config.core.caching.keys import (
    build_key,
    encode,
    patterns_of_all,
    patterns_over_account,
    scope_of_accounts,
)

CURVE = "analytics:pnl:{account_id}:{date_range}"
PERFORMANCE = "performance:sources:{date_range}"
MAY = {"start": date(2026, 5, 1), "end": date(2026, 5, 31)}
HOSTILE = ["*", "U1*", "U[12]", "U1:x", "~all", "+U2+", "@", "%2A", "a b", "ü", "\ud800", "U?", ""]


def test_keys_are_as_documented() -> None:
    gex = build_key("gex:{symbol}:{date}", {"symbol": "SPY", "date": date(2026, 5, 4)})
    assert gex == "gex:SPY:2026-05-04"
    assert build_key(CURVE, {"account_id": "U1"} | MAY) == "analytics:pnl:U1:2026-05-01..2026-05-31"
    everything = build_key(CURVE, {"account_id": None} | MAY, scope=scope_of_accounts(["U2", "U1"]))
    assert everything == "analytics:pnl:~all:2026-05-01..2026-05-31:@+U1+U2+"
    assert build_key(PERFORMANCE, MAY | {"tag": "a=b"}).endswith(":tag=a%3Db")


@given(st.lists(st.text(max_size=12), min_size=2, max_size=2, unique=True))
def test_different_values_have_different_keys_of_plain_characters(values: list[str]) -> None:
    one, other = (encode(value) for value in values)
    assert one != other
    assert all(char.isascii() and (char.isalnum() or char in "._-%") for char in one + other)


NAMES = st.sampled_from(["U1", "U12", "x", *HOSTILE]) | st.text(max_size=4)


@given(NAMES, NAMES, st.sampled_from([CURVE, PERFORMANCE, "a:{account_id}", "a:{account_id}:b"]))
def test_account_s_patterns_match_what_covers_it_and_nothing_else(
    name: str, other: str, pattern: str
) -> None:
    patterns = patterns_over_account(pattern, name, is_private=True)

    def is_matched(account_id: str | None, *visible: str, **more: Any) -> bool:
        key = build_key(
            pattern, {"account_id": account_id} | MAY | more, scope=scope_of_accounts(visible)
        )
        return any(fnmatchcase(key, each) for each in patterns)

    assert is_matched(None, name, other)
    assert is_matched(name, name, tag="x")
    if other != name:
        assert not is_matched(None, other)
        assert not is_matched(None, other, f"{name}Z")
        if "{account_id}" in pattern:
            assert not is_matched(other, other, "Z")


def test_scope_that_names_no_accounts_may_be_anybody_s() -> None:
    patterns = patterns_over_account(PERFORMANCE, "U1", is_private=True)
    key = build_key(PERFORMANCE, MAY, scope="~user17")
    assert any(fnmatchcase(key, each) for each in patterns)


def test_pattern_of_all_spares_kinds_that_begin_alike() -> None:
    patterns = patterns_of_all("analytics:pnl:{account_id}")
    assert any(fnmatchcase("analytics:pnl:U1:@+U1+", each) for each in patterns)
    assert not any(fnmatchcase("analytics:pnl_of:U1", each) for each in patterns)
