"""The simulated gateway's fields are those of recorded answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.core.sandbox.server import Sandbox
from portfolio.sandbox.ibkr_portal.rules import LimitRules, SessionRules

ACCOUNT = "DU1000001"


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url("ibkr_portal"), trust_env=False, timeout=10) as opened:
        yield opened


@pytest.fixture
def prepared(client: httpx.Client) -> httpx.Client:
    """A client that has made the calls that everything else needs."""
    for path in ("/portfolio/accounts", "/iserver/accounts"):
        client.get(path).raise_for_status()
    return client


def recorded(name: str) -> Any:
    root = Path(__file__).resolve().parents[4]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    file = folder / "ibkr_portal" / f"{name}.json"
    if not file.is_file():
        pytest.skip("the recorded answers are not here")
    return json.loads(file.read_text())["Response"]["Body"]


def kinds(value: Any) -> set[str]:
    if value is None:
        return {"null"}
    return {
        {bool: "boolean", int: "number", float: "number"}.get(type(value), type(value).__name__)
    }


def shape(rows: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Field → the JSON types it was seen with."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            seen.setdefault(name, set()).update(kinds(value))
    return seen


def assert_same_fields(
    simulated: list[dict[str, Any]],
    real: list[dict[str, Any]],
    *,
    optional: Set[str] = frozenset(),
) -> None:
    """Every recorded field is there, with a type that was recorded (null aside)."""
    ours, theirs = shape(simulated), shape(real)
    assert set(theirs) - set(ours) <= optional
    for name in set(theirs) & set(ours):
        said = theirs[name] - {"null"}
        if said and ours[name] - {"null"}:
            assert ours[name] - {"null"} <= said | {"null"}, name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/iserver/auth/status", "Session/GET-auth-status"),
        ("/iserver/accounts", "Accounts/GET-iserver-accounts"),
        (f"/iserver/account/{ACCOUNT}/summary", "Accounts/GET-account-summary"),
        (f"/portfolio/{ACCOUNT}/meta", "Portfolio/GET-portfolio-meta"),
        (f"/portfolio/{ACCOUNT}/summary", "Portfolio/GET-portfolio-summary"),
        ("/iserver/account/pnl/partitioned", "Portfolio/GET-iserver-account-pnl-partitioned"),
    ],
)
def test_objects_have_the_recorded_fields(prepared: httpx.Client, path: str, name: str) -> None:
    assert_same_fields([prepared.get(path).json()], [recorded(name)])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/portfolio/accounts", "Portfolio/GET-portfolio-accounts"),
        (f"/portfolio2/{ACCOUNT}/positions", "Portfolio/GET-portfolio2-positions"),
        ("/iserver/account/trades?days=7", "Orders/GET-trades"),
        ("/trsrv/secdef?conids=756733", "Contracts/GET-trsrv-secdef"),
        ("/iserver/secdef/search?symbol=SPY", "Contracts/GET-secdef-search"),
    ],
)
def test_rows_have_the_recorded_fields(prepared: httpx.Client, path: str, name: str) -> None:
    ours, theirs = prepared.get(path).json(), recorded(name)
    if isinstance(ours, dict):
        ours, theirs = ours["secdef"], theirs["secdef"]
    assert ours
    # Documented trades send the price as text; this recording holds a number.
    for row in ours if "trades" in path else ():
        row["price"] = float(row["price"])
    assert_same_fields(ours, theirs)


def test_positions_have_the_recorded_fields(prepared: httpx.Client) -> None:
    ours = prepared.get(f"/portfolio/{ACCOUNT}/positions/0").json()
    theirs = recorded("Portfolio/GET-portfolio-positions-page0")
    # Strikes were recorded as a number here and as a text there.
    by_account = recorded("Portfolio/GET-portfolio-positions-by-conid")
    theirs += [row for rows in by_account.values() for row in rows]
    assert_same_fields(ours, theirs)


def test_money_entries_have_the_recorded_fields(prepared: httpx.Client) -> None:
    ours = prepared.get(f"/portfolio/{ACCOUNT}/summary").json()
    theirs = recorded("Portfolio/GET-portfolio-summary")
    assert_same_fields(list(ours.values()), list(theirs.values()))


def test_ledger_rows_have_the_recorded_fields(prepared: httpx.Client) -> None:
    ours = prepared.get(f"/portfolio/{ACCOUNT}/ledger").json()
    theirs = recorded("Portfolio/GET-portfolio-ledger")
    assert set(theirs) == {"USD", "BASE"}
    assert set(ours) == {"USD", "GBP", "EUR", "INR", "BASE"}
    assert_same_fields(list(ours.values()), list(theirs.values()))


def test_orders_have_the_recorded_fields(prepared: httpx.Client) -> None:
    theirs = recorded("Orders/GET-live-orders")
    first, second = (prepared.get("/iserver/account/orders").json() for _ in range(2))
    assert first == recorded("Orders/GET-live-orders-empty")
    assert set(second) == set(theirs)
    assert_same_fields(second["orders"], theirs["orders"])


def test_snapshot_has_the_recorded_fields(prepared: httpx.Client) -> None:
    (theirs,) = recorded("MarketData/GET-snapshot")
    fields = ",".join(name for name in theirs if name.isdecimal())
    ask = f"/iserver/marketdata/snapshot?conids=756733&fields={fields}"
    preflight, row = (prepared.get(ask).json()[0] for _ in range(2))
    assert set(preflight) == {"conid", "conidEx"}
    # Sizes, range and change in percent: fields that the desk does not keep.
    assert_same_fields([row], [theirs], optional={"85", "88", "70", "71", "83"})


def test_tickle_holds_the_status_of_the_session(client: httpx.Client) -> None:
    ours, theirs = client.post("/tickle").json(), recorded("Session/POST-tickle")
    assert_same_fields([ours], [theirs])
    assert ours["iserver"]["authStatus"]["authenticated"] is True


def test_average_cost_includes_the_multiplier(prepared: httpx.Client) -> None:
    rows = prepared.get(f"/portfolio/{ACCOUNT}/positions/0").json()
    for row in rows:
        expected = row["avgPrice"] * (row["multiplier"] or 1)
        assert row["avgCost"] == pytest.approx(expected, abs=1e-6)
    assert {row["multiplier"] for row in rows} == {0.0, 1.0, 5.0, 75.0, 100.0, 2500.0, 5000.0}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"/portfolio/{ACCOUNT}/summary", "/portfolio/accounts first"),
        (f"/portfolio/{ACCOUNT}/positions/0", "/portfolio/accounts first"),
        ("/iserver/account/orders", "/accounts first"),
        ("/iserver/marketdata/snapshot?conids=756733", "/accounts first"),
    ],
)
def test_call_out_of_order_is_refused(client: httpx.Client, path: str, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_expired_session_is_unauthorised_until_it_is_reopened(
    sandbox: Sandbox, prepared: httpx.Client
) -> None:
    session = sandbox.applications["ibkr_portal"].session
    session.expire()
    assert prepared.get("/portfolio/accounts").status_code == 401
    assert prepared.post("/iserver/auth/ssodh/init").json()["authenticated"] is True
    assert prepared.get("/portfolio/accounts").status_code == 200
    assert prepared.get("/iserver/account/orders").status_code == 400


def test_strikes_come_after_a_search_only(sandbox: Sandbox, prepared: httpx.Client) -> None:
    month = f"{sandbox.market.expiries('SPY')[3]:%b%y}".upper()
    ask = f"/iserver/secdef/strikes?conid=756733&sectype=OPT&month={month}"
    assert prepared.get(ask).json() == {"call": [], "put": []}
    prepared.post("/iserver/secdef/search", json={"symbol": "SPY"})
    strikes = prepared.get(ask).json()
    assert strikes["call"] == strikes["put"]
    assert len(strikes["call"]) > 20


def test_contract_beyond_the_market_data_lines_never_gets_data(
    sandbox: Sandbox, prepared: httpx.Client
) -> None:
    chain = sandbox.market.chain("SPY", sandbox.market.expiries("SPY")[3])
    conids = [contract.aliases["ibkr"] for contract in chain[:101]]
    ask = {"conids": ",".join(conids), "fields": "84"}
    for _ in range(2):
        prepared.get("/iserver/marketdata/snapshot", params=ask)
    rows = prepared.get("/iserver/marketdata/snapshot", params=ask).json()
    assert ["_updated" in row for row in rows] == [True] * 100 + [False]


@pytest.mark.parametrize("days", ["0", "8", "soon"])
def test_impossible_trade_days_are_refused(prepared: httpx.Client, days: str) -> None:
    answer = prepared.get("/iserver/account/trades", params={"days": days})
    assert answer.status_code == 400
    assert "days" in answer.json()["error"]


def test_unknown_account_is_refused(prepared: httpx.Client) -> None:
    assert prepared.get("/portfolio/U9999999/summary").status_code == 400


def limits(*moments: float) -> tuple[LimitRules, list[float]]:
    clock = list(moments)
    return LimitRules(enabled=True, clock=lambda: clock[0]), clock


def test_eleventh_call_in_a_second_starts_a_penalty() -> None:
    rules, clock = limits(100.0)
    assert [rules.admits(f"/path/{n}") for n in range(11)] == [True] * 10 + [False]
    clock[0] += 2.0
    assert not rules.admits("/path")
    clock[0] += 898.5
    assert rules.admits("/path")


def test_ten_calls_a_second_for_ever_are_admitted() -> None:
    rules, clock = limits(100.0)
    for _ in range(50):
        assert rules.admits("/path")
        clock[0] += 0.101


def test_slow_path_is_answered_once_in_five_seconds() -> None:
    rules, clock = limits(100.0)
    assert rules.admits("/iserver/account/orders")
    assert rules.admits("/iserver/account/trades")
    clock[0] += 5.0
    assert rules.admits("/iserver/account/orders")
    clock[0] += 4.9
    assert not rules.admits("/iserver/account/orders")
    rules.forgive()
    assert rules.admits("/iserver/account/orders")


def test_idle_session_is_lost_after_five_minutes_and_reopens() -> None:
    clock = [0.0]
    session = SessionRules(clock=lambda: clock[0])
    seen = []
    for silence in (299.0, 301.0):
        clock[0] += silence
        session.touch()
        seen.append(session.authenticated)
    session.reopen()
    assert [*seen, session.authenticated] == [True, False, True]
