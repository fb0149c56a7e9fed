"""The tables that grow by the minute: few indexes, and a retention that keeps up."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models

from greeks.models import ContractGreekHistory
from portfolio.history.retention import Cleared
from portfolio.models import PriceBar
from portfolio.tasks import book

pytestmark = pytest.mark.django_db


def indexes_of(model: type[models.Model]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return {name: facts for name, facts in found.items() if facts["index"] or facts["unique"]}


@pytest.mark.parametrize("model", [ContractGreekHistory, PriceBar])
def test_no_index_repeats_the_beginning_of_another(model: type[models.Model]) -> None:
    columns = [facts["columns"] for facts in indexes_of(model).values()]
    for position, one in enumerate(columns):
        others = columns[:position] + columns[position + 1 :]
        assert not [each for each in others if each[: len(one)] == one]
    assert ["instrument_id", "minute"] in columns


@pytest.mark.parametrize("model", [ContractGreekHistory, PriceBar])
def test_minutes_are_indexed_by_stretches_on_postgresql(model: type[models.Model]) -> None:
    (by_minute,) = [f for f in indexes_of(model).values() if f["columns"] == ["minute"]]
    assert by_minute["type"] == ("brin" if connection.vendor == "postgresql" else "idx")


@pytest.mark.parametrize(("is_finished", "queued"), [(False, 1), (True, 0)])
def test_deletion_that_was_cut_short_goes_on_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, is_finished: bool, queued: int
) -> None:
    asked: list[tuple[Any, dict[str, float]]] = []
    monkeypatch.setattr(book, "delete_expired", lambda: Cleared(deleted={}, finished=is_finished))
    monkeypatch.setattr(book, "enqueue", lambda task, _, **when: asked.append((task, when)))
    book.delete_expired_task()
    assert len(asked) == queued
    for task, when in asked:
        assert task is book.delete_expired_task
        assert 0 < when["countdown"] < when["expires"]
