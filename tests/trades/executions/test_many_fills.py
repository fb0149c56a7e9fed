"""Many fills are recorded with as many queries as few, and read as Django reads them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.core.rows.reading import read_rows
from config.core.upsert import insert_missing
from greeks.models import InstrumentAlias
from tests.benchmarks.executions import export
from tests.factories import AccountFactory, OptionFactory
from trades.importing.run import import_file
from trades.models import TradeExecution, TradeLot

pytestmark = pytest.mark.django_db


def _queries(fills: int) -> int:
    account = AccountFactory(broker="TASTY")
    content = export(fills)
    with CaptureQueriesContext(connection) as queries:
        import_file(content, file_name="export.csv", account=account)
    searches = [query for query in queries if query["sql"].startswith(("SELECT", "WITH", "DELETE"))]
    return len(searches)


def test_an_import_searches_as_often_for_many_fills_as_for_few() -> None:
    assert _queries(800) <= _queries(8) + 2


@pytest.mark.parametrize("model", [TradeExecution, TradeLot])
def test_rows_are_read_as_django_reads_them(model: type[TradeExecution | TradeLot]) -> None:
    account = AccountFactory(broker="TASTY")
    import_file(export(40), file_name="export.csv", account=account)
    names = [field.attname for field in model._meta.concrete_fields]
    rows = model._default_manager.order_by("pk")
    assert read_rows(rows, names) == list(rows.values_list(*names))
    assert len(read_rows(rows, names)) >= 20
    assert read_rows(rows.filter(pk__in=[]), names) == []


def test_only_missing_rows_are_inserted_and_returned() -> None:
    first, second = OptionFactory(), OptionFactory()
    columns = ("instrument_id", "provider", "key")
    told = [(first.pk, "vendor", "1"), (second.pk, "vendor", "2")]
    unique, returning = ("provider", "key"), ("key", "instrument_id")
    asked = {"unique": unique, "returning": returning}
    assert insert_missing(InstrumentAlias, columns, told[:1], **asked) == [("1", first.pk)]
    claimed = [(second.pk, "vendor", "1"), told[1]]
    assert insert_missing(InstrumentAlias, columns, claimed, **asked) == [("2", second.pk)]
    assert InstrumentAlias.objects.get(provider="vendor", key="1").instrument_id == first.pk
