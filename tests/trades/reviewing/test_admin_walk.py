"""Every list and every action of the journal in the admin: as a reviewer, and as a superuser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from auth_tokens.models import User
from config.core.clock import now
from portfolio.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import CONTRACTS, fill, record
from trades.models import (
    QuarantinedExecution,
    Trade,
    TradeExecution,
    TradeLot,
    TradeReview,
    TradeTag,
)

pytestmark = pytest.mark.django_db
LISTS = (
    "tradeexecution", "tradelot", "trade", "cashmovementrow", "quarantinedexecution",
    "journalrun", "tradenote", "tradetag", "tradereview", "tradeoverride", "journalsettings",
)  # fmt: skip


@pytest.fixture
def reviewer() -> User:
    """May look at the journal, and owns U1; U2 is somebody else's."""
    person: User = UserFactory.create(is_staff=True)
    looking = Permission.objects.filter(content_type__app_label="trades", codename__contains="view")
    person.user_permissions.set(looking)
    AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR", owner=person)
    AccountFactory.create(account_id="U2", account_number="U2", broker="IBKR")
    theirs = fill(5, -1, order_id="c", broker_execution_id="ffff.01.01")
    record(
        fill(1, -1, order_id="a"),
        fill(3000, -1, order_id="b", contract=CONTRACTS[1]),
        replace(theirs, account_number="U2"),
    )
    for number in ("U1", "U2"):
        QuarantinedExecution.objects.create(
            broker="IBKR", account=Account.objects.get(pk=number), account_number=number,
            kind="trade", reason=f"refused of {number}", fingerprint=number, payload={"cut": True},
            source="flex", first_seen_at=now(), last_seen_at=now(),
        )  # fmt: skip
    return person


def act(client: Client, name: str, action: str, **data: str) -> Any:
    """Choose all rows of a list, also those that a reviewer does not see, and act on them."""
    model: Any = {"trade": Trade, "quarantinedexecution": QuarantinedExecution}[name]
    keys = list(model.objects.values_list("pk", flat=True))
    sent = {"action": action, "_selected_action": keys, **data}
    return client.post(f"/admin/trades/{name}/", sent, follow=True)


@pytest.mark.parametrize("is_superuser", [False, True])
def test_lists_and_actions_reach_what_one_may_see(
    reviewer: User, client: Client, is_superuser: bool
) -> None:
    person = UserFactory.create(is_staff=True, is_superuser=True) if is_superuser else reviewer
    client.force_login(person)
    accounts = {"U1", "U2"} if is_superuser else {"U1"}
    before = [list(model.objects.order_by("pk").values()) for model in (TradeExecution, TradeLot)]
    for name in LISTS:
        assert client.get(f"/admin/trades/{name}/").status_code == 200, name
    act(client, "trade", "mark_reviewed")
    reviewed = TradeReview.objects.filter(state="reviewed").values_list("opening__account")
    assert {account for (account,) in reviewed} == accounts
    act(client, "trade", "follow_up")
    assert set(TradeReview.objects.values_list("state", flat=True)) == {"follow_up"}
    act(client, "trade", "add_tag", tag="Weekly")
    assert {tag.opening.account_id for tag in TradeTag.objects.all()} == accounts
    merged = act(client, "trade", "merge").content.decode()
    assert ("of one account, underlying" in merged) is is_superuser
    act(client, "trade", "group_by_rules")
    assert Trade.objects.count() == 3
    lines = b"".join(act(client, "trade", "export").streaming_content).decode().splitlines()
    assert len(lines) == (4 if is_superuser else 3)
    act(client, "quarantinedexecution", "retry")
    seen = QuarantinedExecution.objects.filter(resolved_at=None).count()
    assert seen == 2
    refused = act(client, "quarantinedexecution", "retry").content.decode()
    assert f"Refused again: {len(accounts)}." in refused
    assert before == [
        list(model.objects.order_by("pk").values()) for model in (TradeExecution, TradeLot)
    ]


@pytest.mark.parametrize("is_superuser", [False, True])
def test_nobody_alters_or_deletes_a_fill(
    reviewer: User, client: Client, is_superuser: bool
) -> None:
    client.force_login(
        UserFactory.create(is_staff=True, is_superuser=True) if is_superuser else reviewer
    )
    mine = TradeExecution.objects.filter(account="U1").order_by("pk")[0]
    address = f"/admin/trades/tradeexecution/{mine.pk}"
    shown = client.get(f"{address}/change/")
    assert shown.status_code == 200
    assert "what was sent" in shown.content.decode().lower()
    assert client.post(f"{address}/change/", {"price": "1"}).status_code == 403
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/trades/tradeexecution/add/").status_code == 403
    theirs = TradeExecution.objects.get(account="U2")
    other = client.get(f"/admin/trades/tradeexecution/{theirs.pk}/change/")
    assert (other.status_code == 200) is is_superuser
