"""The list of trades, one trade, their API and file: one number everywhere (rule 23)."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from portfolio.domain import Side
from portfolio.models import Account
from portfolio.templatetags.book import contract_label
from tests.factories import AccountFactory, PositionFactory
from tests.trades.strategies.test_store import CONTRACTS, fill, option, record
from trades.models import Trade, TradeMarks, TradeNote, TradeReview, TradeTag

pytestmark = pytest.mark.django_db
PUT, LOW, CALL, STOCK, NEW = CONTRACTS


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


@pytest.fixture
def page(client: Client, account: Account) -> Client:
    """A trader with a vertical half closed, a put won, a put lost, one without basis."""
    client.force_login(account.owner)
    record(
        fill(1, -2, order_id="v", price=Decimal(3)),
        fill(1, 2, order_id="v", price=Decimal(1), contract=LOW, broker_execution_id="00a1.01"),
        fill(5, 1, order_id="c", price=Decimal("1.5")),
        fill(30, -1, order_id="w", price=Decimal(2), contract=CALL),
        fill(31, 1, order_id="x", price=Decimal("0.5"), contract=CALL),
        fill(4000, -1, order_id="y", price=Decimal(2), contract=CALL),
        fill(4001, 1, order_id="z", price=Decimal(4), contract=CALL),
        fill(50, -5, contract=NEW, position_effect="CLOSE"),
    )
    return client


def listed(page: Client, query: str = "") -> Any:
    return page.get(f"/api/trades?{query}").json()


def test_list_page_api_and_file_have_one_number(page: Client) -> None:
    body = listed(page)
    (totals,) = body["totals"]
    shown = page.get("/trades").context["listed"]
    assert float(shown.totals[0].net) == totals["net"] == 94.445
    assert shown.totals[0].win_rate == totals["win_rate"] == 0.5
    assert (totals["trades"], totals["open"], totals["unknown"]) == (4, 1, 1)
    lines = list(csv.DictReader(io.StringIO(_file(page.get("/api/trades?format=csv")))))
    rows = {row["id"]: row for row in lines}
    assert sum(Decimal(row["net"] or 0) for row in lines) == shown.totals[0].net
    for item in body["trades"]:
        detail = page.get(f"/api/trades/{item['id']}").json()
        shown_one = page.get(f"/trades/{item['id']}").context["trade"]
        numbers = [
            None if amount in (None, "") else float(amount)
            for amount in (
                item["net"], detail["net"], shown_one.net, rows[item["id"]]["net"],
            )
        ]  # fmt: skip
        assert len(set(numbers)) == 1
        assert item["outcome"] == (rows[item["id"]]["outcome"] or None)
    won = [row for row in lines if row["outcome"] == "won"]
    lost = [row for row in lines if row["outcome"] == "lost"]
    assert len(won) / (len(won) + len(lost)) == totals["win_rate"]


def _file(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("underlying=xyz&status=open", ["Put debit spread"]),
        ("strategy=vertical", ["Put debit spread"]),
        ("result=won", ["Short call"]),
        ("result=lost", ["Short call"]),
        ("result=unknown", ["Long stock"]),
        ("start=2026-01-06", ["Short call"]),
        ("end=2026-01-05&strategy=single", ["Short call"]),
        ("tag=Earnings", []),
        ("review=reviewed", []),
        ("sort=net&strategy=single", ["Short call", "Short call"]),
        ("underlying=&strategy=box", []),
    ],
)
def test_filters(page: Client, query: str, names: list[str]) -> None:
    assert [trade["name"] for trade in listed(page, query)["trades"]] == names
    shown = page.get(f"/trades?{query}").context["listed"]
    assert [row.trade.name for row in shown.rows] == names


def test_order_is_as_asked(page: Client) -> None:
    nets = [trade["net"] for trade in listed(page, "sort=net")["trades"]]
    known = [net for net in nets if net is not None]
    assert known == sorted(known)
    assert nets[len(known) :] == [None] * (len(nets) - len(known))


@pytest.mark.parametrize(
    "query",
    ["strategy=moon", "start=yesterday", "chain=x", "sort=luck", "moon=1", "page=0", "status=x"],
)
def test_what_cannot_be_is_refused_by_name(page: Client, query: str) -> None:
    name = query.split("=")[0]
    answer = page.get(f"/api/trades?{query}")
    assert answer.status_code == 400
    assert name in answer.json()["error"]["fields"]
    assert page.get(f"/trades?{query}").status_code == 400


def test_formulas_in_a_file_are_escaped(page: Client) -> None:
    trade = Trade.objects.get(strategy="vertical")
    trade.name = "=1+1"
    trade.save()
    assert "'=1+1" in _file(page.get("/api/trades?format=csv"))


def test_chain_is_grouped_with_its_profit(page: Client, account: Account) -> None:
    near, far = option(80), option(85)
    rolled = fill(9100, -1, order_id="r2", price=Decimal(2), contract=far,
                  broker_execution_id="00b1.01")  # fmt: skip
    record(
        fill(9000, -1, order_id="r1", price=Decimal(3), contract=near),
        replace(rolled, broker_execution_id="00b2.01", side=Side.BUY, contract=near,
                price=Decimal(1)),
        rolled,
    )  # fmt: skip
    chains = page.get("/trades?group=chain&status=open").context["chains"]
    (chain,) = [chain for chain in chains if chain.trades == 2]
    assert chain.net == Decimal("197.98")
    assert len(chain.rows) == 1
    shown = page.get(f"/trades/{chain.rows[0].trade.key}")
    (drawn,) = shown.context["chains"]
    assert [(step.link.net, step.so_far) for step in drawn.steps] == [
        (Decimal("197.98"), Decimal("197.98")), (0, Decimal("197.98")),
    ]  # fmt: skip
    assert [(bar.label, bar.state, bar.is_own) for bar in drawn.drawing.bars] == [
        ("−1 × 80 P, 16 Jan 26", "gain", False), ("−1 × 85 P, 16 Jan 26", "open", True),
    ]  # fmt: skip
    old, new = drawn.drawing.bars
    (join,) = drawn.drawing.joins
    # The roll's line leads from the end of the old bar to the start of the new one.
    assert join.x == pytest.approx(old.x + old.width, abs=0.5)
    assert (join.x, join.y1 < join.y2) == (new.x, True)


def test_others_trades_are_not_seen(page: Client, account: Account) -> None:
    trade = Trade.objects.get(strategy="vertical")
    other = AccountFactory.create(account_id="U2", broker="IBKR")
    page.force_login(other.owner)
    assert listed(page)["trades"] == []
    assert page.get("/trades").context["listed"].rows == []
    for path in (f"/trades/{trade.key}", f"/api/trades/{trade.key}"):
        assert page.get(path).status_code == 404
    assert page.get(f"/trades?account_id={account.pk}").status_code == 404
    assert page.post(f"/trades/{trade.key}/change", {"action": "note"}).status_code == 404
    assert (
        page.post("/trades/change", {"trades": trade.key, "action": "reviewed"}).status_code == 404
    )
    page.logout()
    assert page.get(f"/trades/{trade.key}").status_code == 302
    assert page.get("/api/trades").status_code == 401


def test_key_of_any_opening_leads_to_the_trade(page: Client) -> None:
    trade = Trade.objects.get(strategy="vertical")
    (other,) = trade.fills.filter(role="open").exclude(key=trade.key)
    assert page.get(f"/trades/{other.key}").headers["Location"] == f"/trades/{trade.key}"
    assert page.get(f"/api/trades/{other.key}").json()["id"] == str(trade.key)


def test_marks_of_this_close_are_shown_and_others_not(page: Client) -> None:
    trade = Trade.objects.filter(status="closed", net__isnull=False).order_by("pk")[0]
    assert trade.closed_at is not None
    marks = TradeMarks.objects.create(
        opening_id=trade.key,
        closed_at=trade.closed_at,
        net=trade.net,
        seen=80,
        expected=100,
        worst=-321.5,
        best=654.25,
        exits={"50": 77.75},
        computed_at=trade.closed_at,
    )
    text = page.get(f"/trades/{trade.key}").content.decode()
    assert "80 of 100 minutes seen" in text
    assert [number in text for number in ("321.50", "654.25", "77.75")] == [True] * 3

    TradeMarks.objects.filter(pk=marks.pk).update(net=marks.net + 1)
    assert "minutes seen" not in page.get(f"/trades/{trade.key}").content.decode()


def test_position_leads_to_its_trade_and_back(page: Client, account: Account) -> None:
    trade = Trade.objects.get(strategy="vertical")
    leg = trade.legs.get(instrument__symbol=LOW.symbol)
    position = PositionFactory.create(account=account, instrument=leg.instrument, quantity=2)
    answer = page.get(f"/trades/position/{position.pk}")
    assert answer.headers["Location"] == f"/trades/{trade.key}"
    # The filter of the risk monitor looks for words in what it shows, not in symbols.
    shown = contract_label(vars(position)) + f" {position.expiry:%-d %b %y}"
    assert page.get(f"/trades/{trade.key}").context["held"] == [shown]
    unknown = PositionFactory.create(account=account)
    answer = page.get(f"/trades/position/{unknown.pk}", follow=True)
    assert "does not hold the fills" in answer.content.decode()


def test_queries_do_not_grow_with_the_trades(
    page: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        at = fill(1, 1).execution_time + timedelta(days=20 + number)  # type: ignore[operator]
        record(fill(10000 + number, -1, order_id=f"q{number}", execution_time=at))
    for path in ("/trades", "/trades?group=chain", "/api/trades"):
        with django_assert_max_num_queries(14):
            page.get(path)


# --- What readers add ---
def sums() -> tuple[Any, ...]:
    found = Trade.objects.values_list("net", "gross", "costs")
    return tuple(
        sum((amount or Decimal(0) for amount in column), Decimal(0))
        for column in zip(*found, strict=True)
    )


def change(page: Client, trade: Trade, **data: Any) -> str:
    answer = page.post(f"/trades/{trade.key}/change", data, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def test_rule_22_notes_tags_and_review_survive_resync_and_rebuild(
    page: Client, account: Account
) -> None:
    from django.core.management import call_command

    trade, before = Trade.objects.get(strategy="vertical"), sums()
    assert change(page, trade, action="note", text="Too early.") == "Note added."
    assert change(page, trade, action="tags", tags="Earnings, too  early") == "Tags changed."
    assert change(page, trade, action="review", state="reviewed") == "Review changed."
    call_command("rebuild_trades", "--account", "U1", verbosity=0)
    record(fill(1, -2, order_id="v", price=Decimal(3)))
    (row,) = page.get("/trades?tag=earnings&review=reviewed").context["listed"].rows
    assert (row.trade.key, row.tags, row.notes) == (trade.key, ["earnings", "too early"], 1)
    assert page.get(f"/api/trades/{trade.key}").json()["note_list"][0]["text"] == "Too early."
    assert sums() == before


def test_history_tells_who_changed_what(page: Client, account: Account) -> None:
    trade = Trade.objects.get(strategy="vertical")
    change(page, trade, action="note", text="First")
    note = TradeNote.objects.get()
    change(page, trade, action="note", note=note.pk, text="Second")
    change(page, trade, action="note", note=note.pk, text=" ")
    told = [(row.text, row.history_type) for row in TradeNote.history.order_by("history_id")]
    assert told == [("First", "+"), ("Second", "~"), ("Second", "-")]
    assert {row.history_user for row in TradeNote.history.all()} == {account.owner}


def test_rule_22_split_merge_and_assign_again_keep_every_number(page: Client) -> None:
    trade, before = Trade.objects.get(strategy="vertical"), sums()
    (other,) = trade.fills.filter(role="open").exclude(key=trade.key)
    assert "of their own" in change(page, trade, action="split", fills=[other.key])
    parts = Trade.objects.filter(pk__in=[trade.key, other.key]).order_by("name")
    assert [part.name for part in parts] == ["Long put", "Short put"]
    assert sums() == before
    back = Trade.objects.get(pk=other.key)
    assert "are one" in change(page, back, action="merge", **{"with": [trade.key]})
    assert "choose some" in change(page, trade, action="split", fills=[99]).lower()
    assert sums() == before
    assert "overrides removed" in change(page, trade, action="automatic")
    assert Trade.objects.get(pk=trade.key).name == "Put debit spread"
    call = Trade.objects.filter(strategy="single").order_by("opened_at").first()
    assert call is not None
    moved = change(page, trade, action="split", fills=[other.key], to=call.key)
    assert "other trade" in moved
    home = Trade.objects.get(pk=other.key)
    assert set(home.fills.filter(role="open").values_list("key", flat=True)) == {
        call.key,
        other.key,
    }
    assert sums() == before


def test_chosen_trades_are_reviewed_tagged_and_merged(page: Client) -> None:
    calls = [trade.key for trade in Trade.objects.filter(strategy="single")]
    page.post("/trades/change", {"trades": calls, "action": "reviewed", "back": ""})
    assert TradeReview.objects.filter(state="reviewed").count() == 2
    page.post("/trades/change", {"trades": calls, "action": "tag", "tag": "Calls"})
    assert sorted(TradeTag.objects.values_list("opening_id", "name")) == [
        (key, "calls") for key in sorted(calls)
    ]
    answer = page.post("/trades/change", {"trades": calls, "action": "merge", "back": "tag=calls"})
    assert answer.headers["Location"] == "/trades?tag=calls"
    merged = Trade.objects.get(strategy="single")
    assert page.get("/trades?tag=calls").context["listed"].rows[0].trade == merged
    stock = Trade.objects.get(strategy="stock")
    answer = page.post(
        "/trades/change", {"trades": [merged.key, stock.key], "action": "merge"}, follow=True
    )
    assert "of one account, underlying" in str(next(iter(answer.context["messages"])))
