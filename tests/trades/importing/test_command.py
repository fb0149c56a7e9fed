"""``manage.py import_executions``: what it prints, and what it refuses by name."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from portfolio.models import Account
from tests.trades.files import account_at
from trades.models import JournalRun, QuarantinedExecution, TradeExecution

pytestmark = pytest.mark.django_db
HEAD = (
    "Date,Type,Sub Type,Action,Symbol,Instrument Type,Description,Value,Quantity,Average Price,"
    "Commissions,Fees,Multiplier,Root Symbol,Underlying Symbol,Expiration Date,Strike Price,"
    "Call or Put,Order #,Currency\n"
)
ROW = (
    "2026-11-20T15:30:00+0000,Trade,Buy to Open,BUY_TO_OPEN,SPY,Equity,Bought 10 SPY @ 600.50,"
    '"-6,005.00",10,-600.50,0.00,-0.01,,SPY,SPY,,,,1,USD\n'
)
FLEX = """<FlexQueryResponse><FlexStatements count="1"><FlexStatement accountId="U1">{rows}
</FlexStatement></FlexStatements></FlexQueryResponse>"""


@pytest.fixture
def account() -> Account:
    return account_at("TASTY", "5WX00001")


def run(path: Path, *options: str) -> str:
    out = StringIO()
    call_command("import_executions", str(path), *options, stdout=out)
    return out.getvalue()


def written(folder: Path, text: str) -> Path:
    path = folder / "export.csv"
    path.write_text(text)
    return path


def test_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path, account: Account) -> None:
    path = written(tmp_path, HEAD + ROW + ROW.replace(",10,", ",none,"))
    dry = json.loads(run(path, "--account", account.pk, "--dry-run", "--json"))
    assert TradeExecution.objects.count() == QuarantinedExecution.objects.count() == 0
    real = json.loads(run(path, "--account", account.pk, "--json"))
    assert dry | {"run_id": None} == real | {"run_id": None}
    assert (real["inserted"], real["quarantined"]) == (1, 1)
    assert JournalRun.objects.get().outcome == "partial"
    assert "1 new" not in run(path, "--account", account.pk)


def test_steps_are_told_apart_from_the_result(tmp_path: Path, account: Account) -> None:
    path, out, steps = written(tmp_path, HEAD + ROW), StringIO(), StringIO()
    call_command(
        "import_executions", str(path), account=account.pk, json=True, stdout=out, stderr=steps
    )
    assert json.loads(out.getvalue())["inserted"] == 1
    assert [line.strip() for line in steps.getvalue().splitlines()] == [
        f"read {path.stat().st_size:,} bytes",
        "record rows: 1 of 1",
        "compute lots and trades, contracts: 1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty"),
        ("Date,Type\n", "neither a statement of IBKR"),
        ("<html>", "not a Flex statement"),
        ("<FlexQueryResponse/>", "it has no FlexStatement"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><FlexQueryResponse>&a;</FlexQueryResponse>', "not a Flex"),
        (FLEX.format(rows='<Trades><Order levelOfDetail="ORDER"/></Trades>'), "Execution"),
    ],
)
def test_other_files_are_refused_by_name(
    tmp_path: Path, account: Account, text: str, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(written(tmp_path, text), "--account", account.pk)


def test_export_without_an_account_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + ROW)
    with pytest.raises(CommandError, match="names no account"):
        run(path)
    with pytest.raises(CommandError, match="No account is named U404"):
        run(path, "--account", "U404")
    account_at("IBKR", "U1")
    with pytest.raises(CommandError, match="U1 is not at Tastytrade"):
        run(path, "--account", "U1")
    with pytest.raises(CommandError, match="No such file"):
        run(tmp_path / "nowhere.csv")


TRADE = (
    '<Trade accountId="{account}" currency="USD" assetCategory="STK" symbol="ABC" conid="7" '
    'dateTime="{time}" quantity="{quantity}" tradePrice="10" ibCommission="-1" '
    'transactionType="ExchTrade" ibExecID="{id}" levelOfDetail="EXECUTION"/>'
)


def test_statement_of_two_accounts_keeps_them_apart_and_bad_rows_out(tmp_path: Path) -> None:
    account_at("IBKR", "U1")
    rows = "".join(
        TRADE.format(account=account, time=time, quantity=quantity, id=number)
        for number, (account, time, quantity) in enumerate(
            [
                ("U1", "20261120;103000", "5"),
                ("U2", "20261120;103000", "5"),
                ("U1", "20261341;103000", "5"),
                ("U1", "20261120;103000", "0"),
                ("U1", "20261120;103000", "five"),
            ]
        )
    )
    lines = run(written(tmp_path, FLEX.format(rows=f"<Trades>{rows}</Trades>"))).splitlines()
    assert lines[0] == "export.csv: 5 rows, 1 new, 0 known, 0 cancels, 4 in quarantine"
    assert lines[1] == "  new: 1 trade"
    reasons = {line.split("× ")[1].split(":")[0] for line in lines[2:]}
    assert reasons == {"account", "dateTime", "quantity"}
    assert TradeExecution.objects.get().execution_time.hour == 15


CORPORATE = (
    '<CorporateAction accountId="U1" currency="USD" assetCategory="STK" symbol="{symbol}" '
    'conid="{conid}" dateTime="20261121;202500" quantity="{quantity}" type="{type}" '
    'transactionID="{id}"/>'
)
CASH = (
    '<CashTransaction accountId="U1" currency="USD" type="{type}" amount="{amount}" '
    'dateTime="20261122" transactionID="{id}" levelOfDetail="DETAIL"/>'
)


def test_corporate_actions_and_cash_of_a_statement(tmp_path: Path) -> None:
    account_at("IBKR", "U1")
    rows = [
        TRADE.format(account="U1", time="20261120;103000", quantity="100", id="a.01.01"),
        CORPORATE.format(symbol="ABC", conid=7, quantity=-100, type="RS", id=1),
        CORPORATE.format(symbol="ABC.NEW", conid=8, quantity=20, type="RS", id=2),
        CORPORATE.format(symbol="ABC.NEW", conid=8, quantity=1, type="??", id=3),
        CASH.format(type="Dividends", amount="12.50", id=4),
        CASH.format(type="Withholding Tax", amount="-1.88", id=5),
        CASH.format(type="Deposits/Withdrawals", amount="1000", id=6),
        CASH.format(type="Moon Dust", amount="1", id=7),
    ]
    path = written(tmp_path, FLEX.format(rows="".join(rows)))
    found = json.loads(run(path, "--json"))
    assert found["by_kind"] == {
        "trade": 1, "split": 2, "dividend": 1, "tax": 1, "external_flow": 1,
    }  # fmt: skip
    assert found["quarantined"] == 2
    assert json.loads(run(path, "--json"))["inserted"] == 0
