"""Rule 6: rows known from both sources calibrate the statement's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from config.core.errors import InvalidInput
from greeks.domain import Contract, InstrumentKind
from portfolio.domain import Broker, BrokerExecution, ExecutionKind, Side
from portfolio.models import Account
from tests.trades.files import account_at
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.importing.run import import_file
from trades.models import TradeExecution

pytestmark = pytest.mark.django_db
#: 10:00 in New York, in winter and in summer.
TIMES = (datetime(2026, 2, 5, 15, tzinfo=UTC), datetime(2026, 7, 6, 14, tzinfo=UTC))


def statement(hour: int, *, shifted: int = 0) -> bytes:
    """Return three fills at this hour of the statement's clock, the second one's ``shifted``."""
    days = ("20260205", "20260706", "20260707")
    rows = "".join(
        f'<Trade assetCategory="STK" symbol="XYZ" conid="7000" currency="USD" quantity="{n + 1}" '
        f'dateTime="{day};{hour + (shifted if n == 1 else 0):02d}0000" tradePrice="10" '
        f'ibExecID="0000a.{n}.01" transactionID="{n + 1}" transactionType="ExchTrade"/>'
        for n, day in enumerate(days)
    )
    return (
        '<FlexQueryResponse><FlexStatements><FlexStatement accountId="U1"><Trades>'
        f"{rows}</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
    ).encode()


@pytest.fixture
def account() -> Account:
    """An account whose first two fills the portal has told of."""
    account = account_at("IBKR", "U1")
    contract = Contract(
        kind=InstrumentKind.STOCK,
        symbol="XYZ",
        underlying="XYZ",
        multiplier=Decimal(1),
        currency="USD",
        aliases={"ibkr": "7000"},
    )
    fills = [
        BrokerExecution(
            broker=Broker.IBKR,
            account_number="U1",
            kind=ExecutionKind.TRADE,
            contract=contract,
            side=Side.BUY,
            quantity=Decimal(number + 1),
            price=Decimal(10),
            execution_time=at,
            source="ibkr_portal",
            broker_execution_id=f"0000a.{number}.01",
        )
        for number, at in enumerate(TIMES)
    ]
    record_rows(JournalRows(executions=Executions(fills)), broker=Broker.IBKR, source="ibkr_portal")
    return account


@pytest.mark.parametrize(("hour", "offset"), [(10, None), (9, 3600), (15, -18000)])
def test_rule_6_constant_offset_is_found_and_applied_after_confirmation(
    account: Account, hour: int, offset: int | None
) -> None:
    found = import_file(statement(hour), file_name="f", dry_run=True).recorded
    assert found.clock_offset == offset
    assert found.quarantined == (0 if offset is None else 2)
    assert found.counts()["offsets"] == {str(offset or 0): 2}
    taken = import_file(
        statement(hour), file_name="f", clock_offset=timedelta(seconds=offset or 0)
    ).recorded
    assert (taken.existing, taken.inserted, taken.quarantined) == (2, 1, 0)
    newest = TradeExecution.objects.get(broker_execution_id="0000a.2.01")
    assert newest.execution_time == datetime(2026, 7, 7, 14, tzinfo=UTC)


def test_offset_that_varies_is_no_clock(account: Account) -> None:
    found = import_file(statement(9, shifted=3), file_name="f", dry_run=True).recorded
    assert found.clock_offset is None
    assert found.quarantined == 2


def test_offset_of_more_than_a_day_is_refused(account: Account) -> None:
    with pytest.raises(InvalidInput, match="off by at most"):
        import_file(statement(9), file_name="f", clock_offset=timedelta(days=2))


def test_command_says_what_is_needed_and_takes_it(account: Account, tmp_path: Path) -> None:
    file, out = tmp_path / "f.xml", StringIO()
    file.write_bytes(statement(9))
    call_command("import_executions", str(file), dry_run=True, stdout=out)
    assert "--clock-offset 3600" in out.getvalue()
    call_command("import_executions", str(file), clock_offset=3600, stdout=out)
    assert TradeExecution.objects.count() == 3
