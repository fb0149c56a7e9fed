"""A kept query answers what the same queryset answers, whatever it is filled in with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import BigIntegerField, CharField, DateTimeField, FloatField, Q, QuerySet
from django.db.models.functions import Cast
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core.rows.kept_query import KeptObjects, KeptQuery
from portfolio.models import Position
from tests.factories import AccountFactory, PositionFactory, UserFactory

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 20, 16, tzinfo=UTC)


def held(accounts: Any, since: Any, owner: Any = None) -> QuerySet[Position, Any]:
    owned = Q() if owner is None else Q(account__owner=owner)
    rows = Position.objects.filter(owned, account__pk__in=accounts, as_of__gte=since)
    price = Cast("price", FloatField())
    return rows.order_by("pk").values_list("pk", "symbol", price, "quantity", "as_of", "expiry")


def kept() -> KeptQuery:
    return KeptQuery(held, accounts=CharField(), since=DateTimeField(), owner=BigIntegerField())


def test_rows_are_those_of_the_queryset_for_any_values() -> None:
    first, second = AccountFactory.create(), AccountFactory.create()
    for account, age in ((first, 0), (first, 2), (second, 1)):
        PositionFactory.create(account=account, as_of=AT - timedelta(hours=age))
    query = kept()
    for accounts in ([first.pk], [first.pk, second.pk], [second.pk], []):
        for hours in (0, 1, 3):
            asked = {"accounts": accounts, "since": AT - timedelta(hours=hours)}
            assert query(**asked) == list(held(**asked))
            asked["owner"] = first.owner_id
            assert query(**asked) == list(held(**asked))


def test_written_once_and_asked_each_time(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = AccountFactory.create()
    PositionFactory.create(account=account, as_of=AT, price=1)
    query = kept()
    asked = {"accounts": [account.pk], "since": AT}
    assert query(**asked)[0][2] == 1.0
    Position.objects.update(price=2)
    monkeypatch.setattr(query, "_build", None)
    with django_assert_num_queries(1):
        assert query(**asked)[0][2] == 2.0


def test_value_that_django_would_take_for_a_constant_is_refused() -> None:
    query = KeptQuery(
        lambda accounts: Position.objects.filter(account__in=accounts).values_list("pk"),
        accounts=CharField(),
    )
    with pytest.raises(TypeError, match="accounts"):
        query(accounts=["DU1"])


def test_whole_rows_are_the_model_s_own() -> None:
    user = UserFactory.create(username="whole")
    kept = KeptObjects(
        User,
        lambda key: User.objects.filter(pk=key).annotate(is_named=~Q(username="")),
        without=("password",),
        also=("is_named",),
        key=BigIntegerField(),
    )
    (found,) = kept(key=user.pk)
    assert (found, found.username, found.date_joined) == (user, "whole", user.date_joined)
    assert found.is_named  # type: ignore[attr-defined]
    assert found.get_deferred_fields() == {"password"}
    assert not found._state.adding
    assert kept(key=0) == []
