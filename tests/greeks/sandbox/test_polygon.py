"""The simulated Polygon.io answers and refuses as the vendor does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from config.core.sandbox.server import Sandbox
from greeks.domain import InstrumentKind
from greeks.sandbox.market import Market
from greeks.sandbox.polygon.payloads import daily_bars, option_snapshots, ticker
from greeks.sandbox.polygon.rules import API_KEY, CallLimit, Refused
from tests.greeks.providers.polygon_support import recorded


@pytest.fixture
def get(sandbox: Sandbox) -> Any:
    client = httpx.Client(
        base_url=sandbox.url("polygon"), headers={"Authorization": f"Bearer {API_KEY}"}
    )

    def ask(path: str, **parameters: Any) -> Any:
        return client.get(path, params=parameters)

    yield ask
    client.close()


def names(value: Any, prefix: str = "") -> set[str]:
    """Return the paths of all fields of a row."""
    if not isinstance(value, dict):
        return {prefix}
    return {found for key, inner in value.items() for found in names(inner, f"{prefix}/{key}")}


# --- The fields are the recorded ones ---------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["v3__snapshot__options__AAPL", "v3__snapshot__options__AAPL__O_AAPL230616C00150000"]
)
def test_option_snapshot_has_every_recorded_field(name: str, get: Any, sandbox: Sandbox) -> None:
    answer = recorded(name)
    expiry = sandbox.market.expiries("AAPL")[2]
    spot = sandbox.market.quote(sandbox.market.underlying("AAPL")).mark or 0
    near = next(
        contract
        for contract in sandbox.market.chain("AAPL", expiry)
        if 0.97 < float(contract.strike or 0) / spot < 1
    )
    if isinstance(answer["results"], list):
        strike, day = str(near.strike), expiry.isoformat()
        sent = get("/v3/snapshot/options/AAPL", strike_price=strike, expiration_date=day).json()
        ours, theirs = sent["results"][0], answer["results"][0]
    else:
        sent = get(f"/v3/snapshot/options/AAPL/{ticker(near)}").json()
        ours, theirs = sent["results"], answer["results"]

    assert names(ours) == names(theirs)
    assert answer.keys() - {"next_url"} <= sent.keys()
    for path in names(theirs):
        here, there = at(ours, path), at(theirs, path)
        assert type(here) is type(there) or {type(here), type(there)} == {int, float}, path


def at(value: Any, path: str) -> Any:
    for name in path.split("/")[1:]:
        value = value[name]
    return value


def test_universal_snapshot_has_every_recorded_field(get: Any, sandbox: Sandbox) -> None:
    [theirs] = [row for row in recorded("v3__snapshot")["results"] if row.get("type") == "options"]
    unknown = next(row for row in recorded("v3__snapshot")["results"] if "error" in row)
    chain = sandbox.market.chain("AAPL", sandbox.market.expiries("AAPL")[2])
    middle = ticker(chain[len(chain) // 2])
    sent = get("/v3/snapshot", **{"ticker.any_of": f"{middle},O:NONE260117C00001000"}).json()
    assert names(sent["results"][0]) >= names(theirs)
    assert names(sent["results"][1]) == names(unknown)
    assert get("/v3/snapshot", **{"ticker.any_of": ",".join(["O:A"] * 251)}).status_code == 400


def test_listed_contract_has_every_recorded_field(get: Any, sandbox: Sandbox) -> None:
    sent = get("/v3/reference/options/contracts", underlying_ticker="AAPL").json()
    theirs = recorded("v3__reference__options__contracts")
    assert names(sent["results"][0]) == names(theirs["results"][0])
    assert sent["next_url"].startswith("https://api.massive.com/v3/reference/options/contracts?")


def test_index_snapshot_has_every_recorded_field(get: Any) -> None:
    sent = get("/v3/snapshot/indices", **{"ticker.any_of": "I:VIX,I:NONE"}).json()["results"]
    theirs = recorded("v3__snapshot__indices_ticker.any_of_SPX_2CAPx_2CAPy")["results"]
    assert names(sent[0]) >= names(theirs[0])
    assert names(sent[1]) == names(theirs[1])


# --- Filters, pages, refusals -----------------------------------------------------------------
def test_page_is_ten_rows_unless_more_are_asked_for_and_250_at_most(get: Any) -> None:
    path = "/v3/snapshot/options/SPY"
    assert len(get(path).json()["results"]) == 10
    assert len(get(path, limit=250).json()["results"]) == 250
    for limit in (251, 0, -1, "many"):
        refused = get(path, limit=limit)
        assert (refused.status_code, refused.json()["status"]) == (400, "ERROR")


def test_filters_and_order_and_the_cursor_remembers_them(get: Any, sandbox: Sandbox) -> None:
    first, last = sandbox.market.expiries("SPY")[2:4]
    parameters = {
        "expiration_date.gte": first.isoformat(),
        "expiration_date.lt": last.isoformat(),
        "strike_price.gt": 670,
        "strike_price.lte": 680,
        "contract_type": "put",
        "sort": "strike_price",
        "order": "desc",
        "limit": 4,
    }
    page = get("/v3/snapshot/options/SPY", **parameters).json()
    rows = page["results"]
    while "next_url" in page:
        query = httpx.URL(page["next_url"]).params
        page = get("/v3/snapshot/options/SPY", **query).json()
        rows += page["results"]

    details = [row["details"] for row in rows]
    assert [detail["strike_price"] for detail in details] == list(range(680, 670, -1))
    assert {detail["contract_type"] for detail in details} == {"put"}
    assert {detail["expiration_date"] for detail in details} == {first.isoformat()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"expiration_date.gte": "soon"},
        {"strike_price": "high"},
        {"contract_type": "straddle"},
        {"sort": "colour"},
        {"order": "up"},
        {"cursor": "%%%"},
    ],
)
def test_parameter_that_is_not_understood_is_refused(get: Any, wrong: dict[str, str]) -> None:
    assert get("/v3/snapshot/options/SPY", **wrong).status_code == 400


def test_what_is_not_american_or_not_there_has_no_rows(get: Any) -> None:
    for name in ("NIFTY", "I:NIFTY", "VIX", "I:SPY", "NONE"):
        answer = get(f"/v3/snapshot/options/{name}")
        assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert "results" not in get("/v2/aggs/ticker/NONE/range/1/day/2026-01-05/2026-02-05").json()
    assert get("/v3/snapshot/options/SPY/O:SPY260117C00000500").status_code == 404


def test_key_is_needed_in_the_header_or_as_a_parameter(sandbox: Sandbox) -> None:
    address = f"{sandbox.url('polygon')}/v3/snapshot/options/SPY"
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(address, params={"apiKey": API_KEY}).status_code == 200


def test_sixth_call_of_a_minute_is_refused_until_the_first_is_a_minute_old() -> None:
    moment = 100.0
    limit = CallLimit(enabled=True, clock=lambda: moment)
    for _ in range(5):
        limit.take()
        moment += 2
    with pytest.raises(Refused) as caught:
        limit.take()
    assert (caught.value.status, caught.value.headers) == (429, {"retry-after": "50"})
    moment += 50
    limit.take()
    with pytest.raises(Refused):
        limit.take()


def test_limits_are_enforced_over_the_wire_where_asked_for() -> None:
    with Sandbox(market=Market.simulated(seed=7), limits=True) as sandbox:
        address = f"{sandbox.url('polygon')}/v3/snapshot/options/SPY?apiKey={API_KEY}"
        answers = [httpx.get(address) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


# --- Numbers ----------------------------------------------------------------------------------
def test_deep_in_the_money_has_no_greeks_and_the_rest_has() -> None:
    market = Market.simulated(seed=7, start=datetime(2026, 11, 18, 16, 0, tzinfo=UTC))
    chain = market.chain("AAPL", market.expiries("AAPL")[1])
    rows = option_snapshots(market, chain)
    spot = market.quote(market.underlying("AAPL")).mark
    assert spot is not None
    for contract, row in zip(chain, rows, strict=True):
        assert ("implied_volatility" in row) == bool(row["greeks"])
        inside = (spot - float(contract.strike or 0)) * (1 if contract.right == "C" else -1)
        if abs(inside) / spot < 0.02:
            assert row["greeks"].keys() == {"delta", "gamma", "theta", "vega"}
        if inside / spot > 0.3:
            assert row["greeks"] == {}


def closes(market: Market, symbol: str) -> dict[date, float]:
    today = market.now().date()
    bars = daily_bars(market, market.underlying(symbol), today - timedelta(days=400), today)
    return {datetime.fromtimestamp(bar["t"] / 1000, UTC).date(): bar["c"] for bar in bars}


@pytest.mark.parametrize("seed", [1, 7])
def test_daily_closes_move_together_with_sensible_betas(seed: int) -> None:
    market = Market.simulated(seed=seed, start=datetime(2026, 11, 18, 16, 0, tzinfo=UTC))
    history = {symbol: closes(market, symbol) for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")}
    assert len(history["SPY"]) >= 260
    returns = {symbol: np.diff(np.log(list(days.values()))) for symbol, days in history.items()}
    spy = returns["SPY"]
    betas = {name: float(np.cov(r, spy)[0, 1] / np.var(spy)) for name, r in returns.items()}
    assert 0.9 < betas["QQQ"] < 1.4
    assert 0.7 < betas["AAPL"] < 1.5
    assert 1.1 < betas["NVDA"] < 2.2
    assert betas["VIX"] < -1
    assert 0.8 < np.corrcoef(returns["QQQ"], spy)[0, 1] < 0.98
    assert 0.10 < spy.std() * np.sqrt(252) < 0.25


def test_history_is_the_same_for_everybody_who_asks_and_whenever() -> None:
    moment = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    today = closes(Market.simulated(seed=7, start=moment), "SPY")
    later = closes(Market.simulated(seed=7, start=moment + timedelta(days=5)), "SPY")
    past = [day for day in today if day in later and day < date(2026, 11, 18)]
    assert len(past) > 250
    assert [today[day] for day in past] == [later[day] for day in past]


@pytest.mark.parametrize("always_open", [True, False])
def test_last_close_is_the_markets_previous_close(always_open: bool) -> None:
    moment = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    market = Market.simulated(seed=7, start=moment, always_open=always_open)
    for symbol in ("SPY", "AAPL", "VIX"):
        quote = market.quote(market.underlying(symbol))
        assert closes(market, symbol)[date(2026, 11, 17)] == quote.previous_close
    assert market.underlying("VIX").kind is InstrumentKind.INDEX
