"""The journal's pages and API: what they show, to whom, and how they page."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from greeks.domain import Contract, InstrumentKind
from portfolio.domain import Broker, BrokerExecution, Side
from portfolio.models import Account, AccountAccess
from tests.factories import AccountFactory, PositionFactory, UserFactory
from tests.trades.importing.test_command import FLEX, HEAD, ROW, TRADE
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.importing.uploads import MOST_LINES
from trades.journal.export import executions_csv
from trades.journal.reading import ExecutionFilter
from trades.models import JournalRun, PendingImport, TradeExecution, TradeLot

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", broker="IBKR")


@pytest.fixture
def page(client: Client, account: Account) -> Client:
    client.force_login(account.owner)
    return client


def record(account: Account, *fills: tuple[int, str], symbol: str = "SPY", start: int = 1) -> None:
    rows = [
        BrokerExecution(
            broker=Broker(account.broker),
            account_number=account.account_number,
            contract=Contract(
                kind=InstrumentKind.STOCK,
                symbol=symbol,
                underlying=symbol,
                multiplier=Decimal(1),
                currency="USD",
            ),
            side=Side.BUY if quantity > 0 else Side.SELL,
            quantity=Decimal(abs(quantity)),
            price=Decimal(price),
            commission=Decimal("0.5"),
            execution_time=AT + timedelta(minutes=number),
            source="ibkr",
            broker_execution_id=f"{account.pk}.{symbol}.{number:04d}.01",
        )
        for number, (quantity, price) in enumerate(fills, start=start)
    ]
    record_rows(
        JournalRows(executions=Executions(rows)), broker=Broker(account.broker), source="ibkr"
    )


def listed(answer: Any) -> list[str]:
    return [row["broker_execution_id"] for row in answer.json()["executions"]]


def test_results_show_profit_costs_and_what_is_open(page: Client, account: Account) -> None:
    record(account, (10, "600"), (-4, "610"))
    (result,) = page.get("/trades/contracts").context["results"]
    assert (result.gross, result.costs, result.net) == (40, Decimal("0.7"), Decimal("39.3"))
    assert (result.open_quantity, result.closes, result.unknown) == (6, 1, 0)
    assert b"SPY" in page.get("/trades/contracts?underlying=spy").content
    assert not page.get("/trades/contracts?underlying=QQQ").context["results"].object_list


def test_results_are_paged_and_keep_their_filter(page: Client, account: Account) -> None:
    for number in range(102):
        record(account, (1, "600"), symbol=f"S{number}", start=number)
    first = page.get("/trades/contracts?account_id=U1")
    assert len(first.context["results"].object_list) == 100
    assert b"?account_id=U1&amp;page=2" in first.content
    second = page.get("/trades/contracts?account_id=U1&page=2").context["results"]
    assert [result.instrument.symbol for result in second] == ["S1", "S0"]


def test_results_page_and_lots_have_one_number(page: Client, account: Account) -> None:
    record(account, (10, "600"), (-4, "610"), (-8, "590"))
    (result,) = page.get("/trades/contracts").context["results"]
    lots = TradeLot.objects.filter(closed_at__isnull=False)
    assert result.gross == sum(lot.gross or 0 for lot in lots)
    assert result.net == sum(lot.net or 0 for lot in lots)


def test_fills_are_paged_along_their_time_and_filtered(page: Client, account: Account) -> None:
    record(account, *[(1, "600")] * 130)
    record(account, (1, "400"), symbol="QQQ", start=500)
    first = page.get("/api/executions")
    assert len(first.json()["executions"]) == 100
    second = page.get("/api/executions", {"before": first.json()["next"]})
    assert (len(second.json()["executions"]), second.json()["next"]) == (31, None)
    assert len({*listed(first), *listed(second)}) == 131
    assert listed(page.get("/api/executions?underlying=qqq")) == ["U1.QQQ.0500.01"]
    assert listed(page.get("/api/executions?kind=expiration")) == []
    assert len(page.get("/trades/executions").context["executions"]) == 100
    assert "Older fills" in page.get("/trades/executions").content.decode()


def test_csv_of_fills_holds_all_that_is_asked_for(page: Client, account: Account) -> None:
    record(account, (1, "600"), (-2, "601.5"), *[(1, "602")] * 6)
    record(account, (10, "4"), symbol="=QQQ", start=500)
    shown = page.get("/trades/executions?underlying=SPY&kind=").content.decode()
    assert 'href="/api/executions?underlying=SPY&amp;format=csv"' in shown
    lines = list(csv.DictReader(_told(page, "underlying=SPY&format=csv").splitlines()))
    assert len(lines) == 8
    assert (lines[6]["side"], lines[6]["quantity"], lines[6]["price"]) == ("SELL", "2", "601.5")
    (formula,) = csv.DictReader(_told(page, "underlying==QQQ&format=csv").splitlines())
    assert (formula["symbol"], formula["quantity"]) == ("'=QQQ", "10")
    whole = list(executions_csv([account], ExecutionFilter(), page=3))
    assert len({line.split(",", 1)[0] for line in whole}) == 1 + 9


def _told(page: Client, query: str) -> str:
    answer: Any = page.get(f"/api/executions?{query}")
    return b"".join(answer.streaming_content).decode()


def test_days_are_those_of_the_account(page: Client, account: Account) -> None:
    """15:01 UTC of the 20th is the 21st in Auckland."""
    record(account, (1, "600"))
    assert len(listed(page.get("/api/executions?start=2026-11-20&end=2026-11-20"))) == 1
    Account.objects.update(time_zone="Pacific/Auckland")
    assert listed(page.get("/api/executions?end=2026-11-20")) == []
    assert len(listed(page.get("/api/executions?start=2026-11-21"))) == 1


@pytest.mark.parametrize(
    "query",
    [
        "kind=moon",
        "start=yesterday",
        "before=x",
        "before=2026-11-20_1",
        "end=9999-12-31",
        "account_id=U9",
        "page=2",
    ],
)
def test_what_cannot_be_is_refused_by_name(page: Client, query: str) -> None:
    for path in ("/api/executions", "/trades/executions"):
        answer = page.get(f"{path}?{query}")
        assert answer.status_code == (404 if query == "account_id=U9" else 400)
    name = query.split("=")[0]
    told = {
        "before": "The page begins nowhere",
        "account_id": "Nothing here",
        "page": "Unknown parameter: page.",
    }
    assert told.get(name, f"{name}: ") in answer.content.decode()
    assert name in page.get(f"/api/executions?{query}").json()["error"]["fields"]


@pytest.mark.parametrize(
    "address",
    [
        "/trades?account_id=&underlying=&strategy=&start=&end=",
        "/trades/contracts?account_id=&underlying=",
        "/trades/executions?account_id=&underlying=&kind=&start=&end=",
        "/trades/reconcile?account_id=",
        "/trades/statistics?account_id=&underlying=&start=&end=",
        "/trades/signals?status=&source=&symbol=&taken=&start=&end=",
    ],
)
def test_form_that_was_left_blank_filters_nothing(page: Client, address: str) -> None:
    assert page.get(address).status_code == 200


def test_others_fills_are_not_seen(page: Client, account: Account) -> None:
    other = AccountFactory.create(account_id="NOT-YOURS", broker="IBKR")
    record(other, (10, "600"), (-4, "610"))
    for path in (
        "/trades", "/trades/contracts", "/trades/executions", "/trades/reconcile", "/trades/import",
    ):  # fmt: skip
        assert b"NOT-YOURS" not in page.get(path).content
    assert listed(page.get("/api/executions")) == []
    AccountAccess.objects.create(user=account.owner, account=other)
    assert len(listed(page.get("/api/executions"))) == 2
    page.logout()
    assert page.get("/trades").status_code == 302
    assert page.get("/api/executions").status_code == 401


def test_queries_do_not_grow_with_the_fills(
    page: Client, account: Account, django_assert_max_num_queries: Any
) -> None:
    record(account, *[(1, "600")] * 30)
    for path in ("/trades", "/trades/contracts", "/trades/executions", "/trades/reconcile"):
        with django_assert_max_num_queries(13):
            page.get(path)


def test_rule_19_reconcile_names_each_difference_and_its_cause(
    page: Client, account: Account
) -> None:
    record(account, (10, "600"))
    record(account, (5, "400"), symbol="QQQ", start=50)
    lots = {lot.instrument.symbol: lot.instrument for lot in TradeLot.objects.all()}
    PositionFactory.create(account=account, instrument=lots["SPY"], quantity=10)
    old = PositionFactory.create(account=account, quantity=-2)
    found = page.get("/trades/reconcile").context["found"]
    assert found.agreed == 1
    by_symbol = {row.symbol: row for row in found.differences}
    assert by_symbol["QQQ"].cause.startswith("The broker holds it no more")
    assert (by_symbol["QQQ"].journal, by_symbol["QQQ"].broker) == (5, 0)
    assert by_symbol[old.instrument.symbol].cause.startswith("Opened before 2026-11-20")


def upload(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("statement.xml", text.encode())


def statement(account: str) -> str:
    row = TRADE.format(account=account, time="20261120;103000", quantity="5", id="x.01.01")
    return FLEX.format(rows=f"<Trades>{row}</Trades>")


def test_import_is_previewed_then_recorded(page: Client, account: Account) -> None:
    answer = page.post("/trades/import", {"file": upload(statement("U1"))})
    assert answer.context["preview"].inserted == 1
    assert TradeExecution.objects.count() == 0
    pending = PendingImport.objects.get()
    answer = page.post(f"/trades/import/{pending.pk}", follow=True)
    assert "Recorded: 1 new" in answer.content.decode()
    assert (TradeExecution.objects.count(), PendingImport.objects.count()) == (1, 0)
    assert JournalRun.objects.get().requested_by == account.owner
    again = page.post(f"/trades/import/{pending.pk}", follow=True)
    assert "upload the file again" in again.content.decode()


def test_export_is_imported_into_the_chosen_account(page: Client, account: Account) -> None:
    tasty = AccountFactory.create(account_id="5WX1", broker="TASTY", owner=account.owner)
    missing = page.post("/trades/import", {"file": upload(HEAD + ROW)})
    assert missing.status_code == 422
    assert "names no account" in missing.content.decode()
    sent = {"file": upload(HEAD + ROW), "account_id": tasty.pk}
    assert page.post("/trades/import", sent).context["preview"].inserted == 1


@pytest.mark.parametrize("line", ["x\n", "x\r", "<x/>"])
def test_file_of_too_many_lines_is_refused_before_it_is_read(page: Client, line: str) -> None:
    answer = page.post("/trades/import", {"file": upload(line * (MOST_LINES + 1))})
    assert "more than 50,000 lines" in answer.content.decode()
    assert not PendingImport.objects.exists()


def test_statement_reaches_no_other_users_account(page: Client) -> None:
    other = AccountFactory.create(account_id="U2", broker="IBKR")
    preview = page.post("/trades/import", {"file": upload(statement("U2"))}).context["preview"]
    assert (preview.inserted, preview.quarantined) == (0, 1)
    page.post(f"/trades/import/{PendingImport.objects.get().pk}")
    assert not TradeExecution.objects.filter(account=other).exists()


def test_preview_of_another_user_is_not_taken(page: Client, account: Account) -> None:
    page.post("/trades/import", {"file": upload(statement("U1"))})
    page.force_login(UserFactory.create())
    page.post(f"/trades/import/{PendingImport.objects.get().pk}")
    assert TradeExecution.objects.count() == 0


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "Choose a file first"),
        ({"file": upload("")}, "The file is empty"),
        ({"file": upload("nothing")}, "neither a statement of IBKR"),
        ({"file": upload(HEAD + ROW), "account_id": "U404"}, "No such account"),
    ],
)
def test_bad_uploads_are_refused_with_the_reason(
    page: Client, sent: dict[str, Any], message: str
) -> None:
    answer = page.post("/trades/import", sent)
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert PendingImport.objects.count() == 0


def test_admin_reviews_and_changes_nothing(client: Client, account: Account) -> None:
    record(account, (10, "600"), (-4, "610"))
    other = AccountFactory.create(account_id="U2", broker="IBKR")
    record(other, (10, "600"))
    reviewer = UserFactory.create(is_staff=True, is_superuser=True)
    client.force_login(reviewer)
    fill = TradeExecution.objects.filter(account=account).first()
    assert fill is not None
    for name in (
        "tradeexecution", "tradelot", "cashmovementrow", "quarantinedexecution", "journalrun",
    ):  # fmt: skip
        assert client.get(f"/admin/trades/{name}/").status_code == 200
        assert client.get(f"/admin/trades/{name}/add/").status_code == 403
    address = f"/admin/trades/tradeexecution/{fill.pk}/change/"
    assert b"what was sent" in client.get(address).content.lower()
    assert client.post(address, {"quantity": "1"}).status_code == 403
    assert client.get("/admin/trades/tradeexecution/?state=live&q=SPY").status_code == 200
    assert client.post(f"/admin/trades/tradeexecution/{fill.pk}/delete/").status_code == 403


def test_rule_19_lot_method_is_chosen_and_the_brokers_figure_shown(
    page: Client, account: Account
) -> None:
    record(account, (10, "600"), (10, "620"), (-10, "610"))
    TradeExecution.objects.filter(side="SELL").update(broker_realized_pnl=Decimal(-101))

    def result() -> Any:
        (found,) = page.get("/trades/contracts").context["results"]
        return found

    assert (result().net, result().broker_net, result().differs) == (99, -101, True)
    page.post("/trades/lot-method", {"account_id": "U1", "method": "lifo"})
    assert (result().net, result().differs) == (-101, False)
    page.post("/trades/lot-method", {"account_id": "U1", "method": "average"})
    assert result().net == -1
    other = AccountFactory.create(account_id="U2", broker="IBKR")
    answer = page.post(
        "/trades/lot-method", {"account_id": other.pk, "method": "lifo"}, follow=True
    )
    assert "No such account" in answer.content.decode()
