"""Notes, tags and the state of review of a trade, over the API as on its page."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from portfolio.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import CONTRACTS, fill, record
from trades.models import Trade, TradeNote, TradeReview, TradeTag

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


@pytest.fixture
def trade(account: Account) -> Trade:
    record(fill(1, -2, price=Decimal(3), contract=CONTRACTS[0]))
    return Trade.objects.get()


@pytest.fixture
def trader(client: Client, account: Account) -> Client:
    client.force_login(account.owner)
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    return client.generic(method, path, content, content_type="application/json", headers=headers)


def test_note_is_added_changed_and_removed(trader: Client, trade: Trade) -> None:
    path = f"/api/trades/{trade.key}/notes"
    assert trader.get(path).json() == {"notes": []}
    answer = send(trader, "POST", path, {"text": "Too early."})
    (note,) = answer.json()["notes"]
    assert (answer.status_code, note["text"]) == (201, "Too early.")
    assert note["author"] == trade.account.owner.get_username()
    assert b"Too early." in trader.get(f"/trades/{trade.key}").content
    changed = send(trader, "PUT", f"{path}/{note['id']}", {"text": "Much too early."})
    assert [each["text"] for each in changed.json()["notes"]] == ["Much too early."]
    assert send(trader, "DELETE", f"{path}/{note['id']}").json() == {"notes": []}
    said = TradeNote.history.order_by("history_id").values_list("text", flat=True)
    assert list(said) == ["Too early.", "Much too early.", "Much too early."]


def test_note_sent_twice_is_kept_once(trader: Client, trade: Trade) -> None:
    path, body = f"/api/trades/{trade.key}/notes", {"text": "Once."}
    for _ in range(2):
        answer = send(trader, "POST", path, body, **{"Idempotency-Key": "n1"})
        assert answer.status_code == 201
    assert TradeNote.objects.count() == 1


def test_review_and_tags_are_set_together_and_can_be_repeated(trader: Client, trade: Trade) -> None:
    path, body = f"/api/trades/{trade.key}/review", {"review": "reviewed", "tags": ["Earnings"]}
    for _ in range(2):
        answer = send(trader, "PUT", path, body).json()
        assert answer == {"id": str(trade.key), "review": "reviewed", "tags": ["earnings"]}
    (row,) = trader.get("/api/trades?tag=earnings&review=reviewed").json()["trades"]
    assert row["id"] == str(trade.key)
    send(trader, "PUT", path, {"review": "reviewed", "tags": []})
    assert not TradeTag.objects.exists()
    assert TradeReview.history.count() == 1


@pytest.mark.parametrize(
    ("method", "name", "body", "field"),
    [
        ("POST", "notes", {"text": ""}, "text"),
        ("POST", "notes", {"text": " \n"}, "text"),
        ("POST", "notes", {"text": "x" * 10_001}, "text"),
        ("POST", "notes", {"text": 5}, "text"),
        ("POST", "notes", {}, "text"),
        ("POST", "notes", {"text": "x", "mood": "good"}, "mood"),
        ("PUT", "review", {"review": "great", "tags": []}, "review"),
        ("PUT", "review", {"review": "reviewed", "tags": ["<b>"]}, "tags"),
        ("PUT", "review", {"review": "reviewed"}, "tags"),
        ("PUT", "review", [], "review"),
    ],
)
def test_wrong_body_names_the_field_and_changes_nothing(
    trader: Client, trade: Trade, method: str, name: str, body: Any, field: str
) -> None:
    answer = send(trader, method, f"/api/trades/{trade.key}/{name}", body)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert not TradeNote.objects.exists()
    assert not TradeReview.objects.exists()


def test_every_state_of_review_can_be_set(trader: Client, trade: Trade) -> None:
    for state in TradeReview.State.values:
        body = {"review": state, "tags": []}
        assert send(trader, "PUT", f"/api/trades/{trade.key}/review", body).status_code == 200


def test_strangers_find_no_trade_and_no_note(trader: Client, trade: Trade) -> None:
    path = f"/api/trades/{trade.key}/notes"
    (note,) = send(trader, "POST", path, {"text": "Mine."}).json()["notes"]
    stranger = Client()
    stranger.force_login(UserFactory.create())
    asked = (
        ("GET", path, None),
        ("POST", path, {"text": "Yours."}),
        ("PUT", f"{path}/{note['id']}", {"text": "Ours."}),
        ("DELETE", f"{path}/{note['id']}", None),
        ("PUT", f"/api/trades/{trade.key}/review", {"review": "reviewed", "tags": []}),
    )
    for method, address, body in asked:
        assert send(stranger, method, address, body).status_code == 404
        assert send(Client(), method, address, body).status_code == 401
    assert TradeNote.objects.get().text == "Mine."


def test_note_of_another_trade_is_not_reached(trader: Client, trade: Trade) -> None:
    record(fill(500, -1, price=Decimal(3), contract=CONTRACTS[3], broker_execution_id="00b1.01"))
    other = Trade.objects.exclude(pk=trade.pk).get()
    path = f"/api/trades/{trade.key}/notes"
    (note,) = send(trader, "POST", path, {"text": "Mine."}).json()["notes"]
    moved = f"/api/trades/{other.key}/notes/{note['id']}"
    assert send(trader, "PUT", moved, {"text": "Moved."}).status_code == 404
