"""The simulated gateway's messages compared with a real gateway's.

The transcripts are decoded, and of server version 200. Where a message has the same fields there,
the recorded values must leave our encoder in the recorded order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from ib_async import IB
from ib_async.decoder import Decoder

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.frames import Fields, text
from tests.portfolio.sandbox.ibkr_socket.tws_transcripts import KINDS, Row, recorded


def number(value: Any) -> int:
    """Request ids are names in the transcripts."""
    return 7 if isinstance(value, str) and value.startswith("$") else int(value)


def float_of(value: str) -> float:
    return float(value.replace("E", "e"))


ENCODED: dict[str, Callable[[Row], Fields]] = {
    "account_summary": lambda r: messages.account_summary(
        number(r["req_id"]), r["account"], r["tag"], r["value"], r["currency"]
    ),
    "update_account_value": lambda r: messages.account_value(
        r["key"], r["value"], r["currency"], r["account"]
    ),
    "account_update_multi": lambda r: messages.account_update_multi(
        number(r["req_id"]), r["account"], r["model_code"], r["key"], r["value"], r["currency"]
    ),
    "commission_report": lambda r: messages.commission_report(
        r["exec_id"], float_of(r["commission"]), r["currency"], r["realized_pnl"]
    ),
    "api_error": lambda r: messages.error(number(r["req_id"]), r["code"], r["message"]),
    "market_data_type": lambda r: messages.market_data_type(number(r["req_id"]), r["data_type"]),
    "pnl": lambda r: messages.profit_and_loss(
        number(r["req_id"]),
        float_of(r["daily_pnl"]),
        float_of(r["unrealized_pnl"]),
        float_of(r["realized_pnl"]),
    ),
    "pnl_single": lambda r: messages.profit_and_loss_single(
        number(r["req_id"]),
        int(r["position"]),
        float_of(r["daily_pnl"]),
        float_of(r["unrealized_pnl"]),
        float_of(r["realized_pnl"]),
        float_of(r["value"]),
    ),
    "tick_price": lambda r: messages.tick_price(
        number(r["req_id"]), r["field"], float_of(r["price"]), "", 0
    ),
    "tick_size": lambda r: messages.tick_size(number(r["req_id"]), r["field"], int(r["size"])),
}


def same(ours: str, theirs: Any) -> bool:
    """Equal as text, or as numbers: decimals were kept as they were printed."""
    said = str(number(theirs)) if str(theirs).startswith("$") else str(theirs)
    try:
        return ours == said or float_of(ours) == float_of(said)
    except ValueError:
        return False


@pytest.mark.parametrize("kind", sorted(ENCODED))
def test_recorded_values_leave_in_the_recorded_order(kind: str) -> None:
    for row in recorded(kind):
        # Version 200 adds the error's time; a message begins with its number and, here, a version.
        theirs = [value for name, value in row.items() if name != "error_time_ms"]
        ours = [text(field) for field in ENCODED[kind](row)]
        head = 1 if ours[0] in ("94", "95") else 2
        told = ours[head : head + len(theirs)]
        assert all(map(same, told, theirs)), (told, theirs)
        assert KINDS[int(ours[0])] == kind


def contract_of(row: Row) -> Contract:
    """Our contract of a recorded one."""
    option = row["sec_type"] == "OPT"
    return Contract(
        kind=InstrumentKind.OPTION if option else InstrumentKind.STOCK,
        symbol=row["local_symbol"] or row["symbol"],
        underlying=row["symbol"],
        root=row.get("trading_class", ""),
        multiplier=Decimal(row.get("multiplier") or 1),
        currency=row["currency"],
        expiry=date.fromisoformat(row["expiry"]) if option else None,
        strike=Decimal(row["strike"]) if option else None,
        right=Right(row["right"]) if option else None,
        exchange=row["exchange"],
        aliases={"ibkr": str(row.get("con_id", 0))},
    )


def decoded(fields: Fields, method: str) -> tuple[Any, ...]:
    """Decode the message at version 178 with unmodified ib_async."""
    seen: list[tuple[Any, ...]] = []
    ib = IB()
    setattr(ib.wrapper, method, lambda *arguments: seen.append(arguments))
    Decoder(ib.wrapper, 178).interpret([text(field) for field in fields])
    return seen[0]


def test_recorded_positions_are_decoded_as_they_were() -> None:
    rows = [row for row in recorded("position") if row["contract"]["sec_type"] in ("STK", "OPT")]
    for row in rows:
        said, contract = row["contract"], contract_of(row["contract"])
        columns = messages.contract_columns(contract, messages.listing_exchange(contract))
        account, told, quantity, cost = decoded(
            messages.position(
                row["account"], columns, int(row["position"]), float(row["avg_cost"])
            ),
            "position",
        )
        assert (account, quantity, cost) == (
            row["account"],
            float(row["position"]),
            float(row["avg_cost"]),
        )
        assert (told.conId, told.symbol, told.secType, told.exchange) == (
            said.get("con_id", 0),
            said["symbol"],
            said["sec_type"],
            said["exchange"],
        ), "an option's exchange is empty, a share's is not"
        assert told.lastTradeDateOrContractMonth == said.get("expiry", "")
        assert (told.strike, told.right) == (float(said.get("strike", 0)), said.get("right", ""))
        assert told.multiplier == said.get("multiplier", "")
    assert {row["contract"]["sec_type"] for row in rows} == {"STK", "OPT"}


def test_recorded_executions_are_decoded_as_they_were() -> None:
    rows = [row for row in recorded("execution_detail") if "US/Eastern" in row["time"]]
    for row in rows:
        columns = (0, row["symbol"], "STK", "", 0.0, "", "", "SMART", "USD", row["symbol"], "")
        execution = messages.Execution(
            execution_id=row["exec_id"],
            time=row["time"],
            account=row["account"],
            exchange="SMART",
            side=row["side"],
            shares=int(row["shares"]),
            price=float(row["price"]),
            permanent_id=1,
            client_id=0,
            liquidation=0,
            cumulative_quantity=int(row["shares"]),
            average_price=float(row["price"]),
        )
        request_id, contract, told = decoded(
            messages.execution_details(row["req_id"], row["order_id"], columns, execution),
            "execDetails",
        )
        assert (request_id, contract.symbol) == (row["req_id"], row["symbol"])
        assert (told.orderId, told.execId, told.acctNumber) == (
            row["order_id"],
            row["exec_id"],
            row["account"],
        )
        assert (told.side, told.shares, told.price) == (
            row["side"],
            float(row["shares"]),
            float(row["price"]),
        )
        assert f"{told.time:%Y%m%d %H:%M:%S}" == "20260413 19:27:04", "Eastern daylight time"
    assert rows
