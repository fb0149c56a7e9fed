"""Rows of any text and document are inserted as they are, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DataError, connection, transaction

from config.core.rows.pages import many_pages
from config.core.upsert import insert_rows
from portfolio.models import Account
from tests.factories import AccountFactory
from trades.models import CashMovementRow

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 27, 18, 0, 0, 123_456, tzinfo=UTC)
COLUMNS = (
    "account_id", "broker", "broker_movement_id", "kind", "amount", "currency", "moved_at",
    "symbol", "description", "fingerprint", "source", "raw_payload", "recorded_at",
)  # fmt: skip


def row(account: Account, name: str, description: str, payload: object) -> tuple[object, ...]:
    return (account.pk, "IBKR", name, "fee", Decimal("-1.12345678"), "USD", NOW, "", description,
            name, "ibkr", payload, NOW)  # fmt: skip


@pytest.mark.parametrize("text", ["", "\\N", "a\tb\nc\rd", "\\.", "\u20ac \U0001f600", "null"])
def test_texts_and_documents_come_back_as_they_went(text: str) -> None:
    payload = {"text": text, "numbers": [1, 2.5, None], text: {"deep": True}}
    insert_rows(CashMovementRow, COLUMNS, [row(AccountFactory(), "1", text, payload)])
    found = CashMovementRow.objects.get()
    assert (found.description, found.raw_payload) == (text, payload)
    assert (found.amount, found.moved_at) == (Decimal("-1.12345678"), NOW)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps a text of any length")
def test_a_text_too_long_is_the_databases_error_and_nothing_is_written() -> None:
    account = AccountFactory()
    rows = [row(account, "1", "", {}), row(account, "2" * 500, "", {})]
    with pytest.raises(DataError), transaction.atomic():
        insert_rows(CashMovementRow, COLUMNS, rows)
    assert not CashMovementRow.objects.exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Only SQLite's pages are the process's")
def test_many_pages_are_kept_only_as_long_as_many_rows_are_written() -> None:
    def kept() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA cache_size")
            return int(cursor.fetchone()[0])

    before = kept()
    seen: list[int] = []

    def fail() -> None:
        with many_pages():
            seen.append(kept())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (seen, kept()) == ([-64_000], before)
