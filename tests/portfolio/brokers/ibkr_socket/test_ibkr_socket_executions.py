"""Executions, their corrections and commissions, on a gateway of our own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from portfolio.brokers.ibkr_socket.orders import newest_revisions
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    ScriptedGateway,
    commission,
    execution,
    owned,
    told,
)

AT = datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
UNSET = 1.7976931348623157e308


def test_of_corrections_only_the_last_counts() -> None:
    ids = [
        "0000e0d5.69dd7411.01.01",
        "0000e0d5.69dd7411.01.02",
        "0000e0d5.69dd7411.01.10",
        "0000e0d5.69dd7411.02.01",
        "exec-1",
        "0001e",
    ]
    assert newest_revisions(ids) == [
        "0000e0d5.69dd7411.01.10",
        "0000e0d5.69dd7411.02.01",
        "exec-1",
        "0001e",
    ]


def test_correction_replaces_the_fill_and_waits_for_its_own_commission() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                execution("e0.1.01", request=fields[2]),
                commission("e0.1.01", "1.0"),
                execution("e0.1.02", request=fields[2], price="258.00"),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_executions", ACCOUNT, since=LONG_AGO)
                (fill,) = fetched.items
                assert fill.broker_execution_id == "e0.1.02"
                assert (fill.price, fill.commission) == (Decimal("258.00"), None)
                assert fill.execution_time == AT

    told(story)


def test_commission_is_none_until_it_is_reported_and_nought_only_when_it_is() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                execution("one", request=fields[2]),
                execution("two", request=fields[2]),
                execution("three", request=fields[2]),
                commission("two", "0.0"),
                commission("three", str(UNSET)),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                assert await _commissions(own) == {"one": None, "two": 0, "three": None}
                gateway.send(commission("one", "1.25"))
                await asyncio.sleep(0.05)
                # The second answer holds empty reports in ib_async; ours keeps what was told.
                assert await _commissions(own) == {"one": Decimal("1.25"), "two": 0, "three": None}

    told(story)


def test_commission_that_comes_before_its_fill_is_kept() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                commission("early", "1.25"),
                execution("early", request=fields[2]),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                assert await _commissions(own) == {"early": Decimal("1.25")}

    told(story)


def test_executions_without_their_end_are_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.asking.ANSWER_SECONDS", 0.3)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [execution("only", request=fields[2])]
            async with owned(gateway.host, gateway.port) as own:
                assert await _commissions(own) == {"only": None}

    told(story)


def test_fill_without_a_readable_time_is_kept_and_one_without_shares_is_rejected() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                execution("timeless", request=fields[2], time="tomorrow"),
                execution("nothing", request=fields[2], shares=""),
                execution("other", "DU2", request=fields[2]),
                execution("short", request=fields[2])[:20],
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_executions", ACCOUNT, since=LONG_AGO)
                (fill,) = fetched.items
                assert (fill.broker_execution_id, fill.execution_time) == ("timeless", None)
                reasons = sorted(row.reason for row in fetched.rejected)
                assert [reason.split(":")[0] for reason in reasons] == ["frame", "shares"]

    told(story)


async def _commissions(own: Any) -> dict[str, Decimal | None]:
    fetched = await own.ask("fetch_executions", ACCOUNT, since=LONG_AGO)
    return {fill.broker_execution_id: fill.commission for fill in fetched.items}
