"""What of the risk monitor's page is made once, and how it is sent."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from django.db.models import QuerySet
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core import clock
from config.core.clock import now
from portfolio.models import Account, Position
from portfolio.risk_monitor.body import accounts_shown, risk_monitor_of
from portfolio.templatetags import book as book_tags
from portfolio.templatetags.position_table import position_table
from tests.factories import AccountFactory, AccountStatusFactory, PositionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def account(trader: User) -> Account:
    account: Account = AccountFactory.create(owner=trader, last_synced_at=now())
    AccountStatusFactory.create(account=account)
    PositionFactory.create_batch(3, account=account, price_as_of=now() - timedelta(seconds=5))
    return account


def table_of(account: Account) -> str:
    return position_table(risk_monitor_of(accounts_shown([account.pk])).book)


def test_rows_are_written_once_a_version_and_ages_each_time(account: Account) -> None:
    # On one day, wherever the account is: days to expiry are part of a row.
    noon = datetime(2026, 3, 2, 17, tzinfo=UTC)
    Position.objects.update(price_as_of=noon - timedelta(seconds=5))
    with (
        patch.object(book_tags, "shown_position", wraps=book_tags.shown_position) as written,
        patch.object(clock, "now", return_value=noon) as at,
    ):
        first = table_of(account)
        at.return_value = noon + timedelta(hours=3)
        later = table_of(account)
        assert written.call_count == 3
        assert "3h" not in re.findall(r"<time[^>]*>([^<]*)<", first)
        assert "3h" in re.findall(r"<time[^>]*>([^<]*)<", later)

        Account.objects.filter(pk=account.pk).update(book_version=account.book_version + 1)
        table_of(account)
        assert written.call_count == 6


def test_page_of_a_user_is_compressed_padded_and_masks_its_token(
    account: Account, signed_in: Client
) -> None:
    plain = signed_in.get("/").content
    squeezed = [signed_in.get("/", headers={"accept-encoding": "gzip"}) for _ in range(12)]
    assert {page["Content-Encoding"] for page in squeezed} == {"gzip"}
    pages = [gzip.decompress(page.content) for page in squeezed]
    assert len(squeezed[0].content) < len(plain) / 3
    assert account.account_id.encode() in pages[0]
    # The padding of random length stands in the head, before the compressed text (RFC 1952).
    assert len({page.content.index(b"\x00", 10) for page in squeezed}) > 1
    tokens = {re.findall(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0] for page in pages}
    assert len(tokens) == len(pages)


def test_head_of_the_book_is_one_query_that_is_built_once(
    account: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    accounts_shown([account.pk])
    with (
        django_assert_num_queries(1),
        patch.object(QuerySet, "annotate", side_effect=AssertionError("built anew")),
    ):
        (shown,) = accounts_shown([account.pk])
    assert shown.grid_version is None  # type: ignore[attr-defined]
