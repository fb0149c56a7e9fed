"""Declared resources: one declaration says everything, and impossible ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from config.core.caching import resources
from config.core.caching.changes import Change
from config.core.caching.resources import (
    Question,
    Resource,
    declare_resource,
    declared_resources,
    resource_named,
)

HERE = __name__


def read_curve(user: str, *, account_id: str | None, start: str, end: str) -> tuple[str, ...]:
    return (user, str(account_id), start, end)


def complete_curve(user: str, **asked: Any) -> Mapping[str, Any]:
    return {"account_id": None, "start": "2026-01-01", "end": "2026-01-31"} | asked


def scope_of(user: str) -> str:
    return f"+{user}+"


def nobody(user: str) -> str:
    return user


def read_public(*, symbol: str | None) -> str | None:
    return symbol


def declaration(**changes: Any) -> Resource:
    usual: dict[str, Any] = {
        "name": "curve",
        "path": "/api/curve",
        "section": "curve",
        "parameters": ("account_id", "start", "end"),
        "fetch": f"{HERE}.read_curve",
        "shape": "builtins.list",
        "complete": f"{HERE}.complete_curve",
        "scope": f"{HERE}.scope_of",
        "key": "curve:{account_id}:{date_range}",
        "ttl": 900,
    }
    return Resource(**usual | changes)


@pytest.fixture(autouse=True)
def _only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_resources", {})


def test_declared_resource_is_found_by_name() -> None:
    curve = declaration()
    declare_resource(curve)
    declare_resource(declaration())
    assert declared_resources() == (curve,)
    assert resource_named("curve") is curve


@pytest.mark.parametrize("what", ["name", "path", "section"])
def test_second_declaration_of_the_same_is_refused(what: str) -> None:
    declare_resource(declaration())
    changes = {"name": "other", "path": "/api/other", "section": "other"}
    with pytest.raises(ValueError, match=f"the {what} .* is declared twice"):
        declare_resource(declaration(**{key: changes[key] for key in changes if key != what}))


def test_question_is_completed_and_read_as_its_user() -> None:
    curve = declaration()
    question = curve.ask("alice", account_id="U1", end=None)
    assert question == Question(
        "alice", {"account_id": "U1", "start": "2026-01-01", "end": "2026-01-31"}
    )
    assert curve.read(question) == ("alice", "U1", "2026-01-01", "2026-01-31")
    assert curve.scope_of("alice") == "+alice+"


def test_scope_that_could_not_be_invalidated_is_refused() -> None:
    with pytest.raises(ValueError, match="names no accounts"):
        declaration(scope=f"{HERE}.nobody").scope_of("alice")


def test_public_resource_knows_no_user() -> None:
    public = declaration(
        is_public=True,
        scope=None,
        complete=None,
        parameters=("symbol",),
        fetch=f"{HERE}.read_public",
        key="public:{symbol}:{date}",
    )
    assert public.ask("alice") == Question(None, {"symbol": None})
    assert public.read(public.ask("alice", symbol="SPY")) == "SPY"
    assert public.scope_of("alice") == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ttl": None}, "a key and a ttl come together"),
        ({"scope": None}, "needs a scope"),
        ({"key": "curve:{symbol}"}, "names no parameter: symbol"),
        (
            {"key": None, "ttl": None, "changed_by": frozenset({Change.POSITION_UPDATE})},
            "is not cached",
        ),
        ({"key": None, "ttl": None, "stale_seconds": 60}, "is not cached"),
    ],
)
def test_impossible_declaration_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        declaration(**changes)
