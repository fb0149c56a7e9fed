"""Reviewers look, annotate and regroup in the admin; they never alter a fill or a number."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import CONTRACTS, fill, record
from trades.annotations.writing import add_note
from trades.models import Trade, TradeExecution, TradeReview, TradeTag

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/trades/trade/"


@pytest.fixture
def reviewer(client: Client) -> Client:
    """Two puts of sessions apart, in an account of somebody else; a superuser reviews."""
    AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")
    record(
        fill(1, -1, order_id="a"),
        fill(3000, -1, order_id="b", contract=CONTRACTS[1]),
    )
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def act(client: Client, action: str, **data: Any) -> Any:
    keys = list(Trade.objects.values_list("pk", flat=True))
    sent = {"action": action, "_selected_action": keys, **data}
    return client.post(ADDRESS, sent, follow=True)


def test_list_actions_annotate_regroup_and_export(reviewer: Client) -> None:
    before = list(TradeExecution.objects.order_by("pk").values())
    act(reviewer, "mark_reviewed")
    act(reviewer, "add_tag", tag="Weekly")
    assert set(TradeReview.objects.values_list("state", flat=True)) == {"reviewed"}
    assert set(TradeTag.objects.values_list("name", flat=True)) == {"weekly"}
    assert "A tag needs a name" in act(reviewer, "add_tag").content.decode()
    act(reviewer, "merge")
    assert Trade.objects.count() == 1
    act(reviewer, "group_by_rules")
    assert Trade.objects.count() == 2
    lines = b"".join(act(reviewer, "export").streaming_content).decode().splitlines()
    assert len(lines) == 3
    assert list(TradeExecution.objects.order_by("pk").values()) == before


def test_numbers_are_read_only_and_notes_have_a_history(reviewer: Client) -> None:
    trade = Trade.objects.order_by("pk").first()
    assert trade is not None
    address = f"{ADDRESS}{trade.pk}/change/"
    assert reviewer.get(address).status_code == 200
    assert reviewer.post(address, {"net": "1"}).status_code == 403
    note = add_note(user=trade.account.owner, trade=trade, text="Seen.")
    listed = reviewer.get("/admin/trades/tradenote/?q=Seen")
    assert "Seen." in listed.content.decode()
    assert reviewer.get(f"/admin/trades/tradenote/{note.pk}/history/").status_code == 200
    for name in ("tradetag", "tradereview", "tradeoverride", "journalsettings"):
        assert reviewer.get(f"/admin/trades/{name}/").status_code == 200
    for query in ("?review=new", "?review=reviewed", "?status__exact=open", "?q=XYZ"):
        assert reviewer.get(f"{ADDRESS}{query}").status_code == 200


def test_staff_see_only_their_accounts(reviewer: Client) -> None:
    reviewer.force_login(UserFactory.create(is_staff=True))
    assert reviewer.get(ADDRESS).status_code in (302, 403)


def test_lists_show_numbers_without_the_databases_zeros(reviewer: Client) -> None:
    for name, column in (("tradeexecution", "price"), ("tradelot", "open price")):
        # The number of a column sorts by it.
        listed = reviewer.get(f"/admin/trades/{name}/?o=7").content.decode()
        assert column.title() in listed.title()
        assert '<td class="field-shown">11</td>' in listed
        assert "11.00000000" not in listed
