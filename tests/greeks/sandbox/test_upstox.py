"""The simulated Upstox: fields as in the vendor's samples, refusals, limits and hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from auth_tokens.sandbox.upstox.access import ANALYTICS_TOKEN
from config.core.sandbox.server import Sandbox
from greeks.providers.upstox.client import UpstoxClient
from greeks.providers.upstox.provider import UpstoxProvider
from greeks.sandbox.market import Market
from greeks.sandbox.upstox.limits import CallLimits
from greeks.sandbox.upstox.payloads import contract_of
from greeks.sandbox.upstox.server import UpstoxMarket
from tests.greeks.providers.upstox_support import ScriptedToken, of_market, recorded
from tests.greeks.sandbox.chains import cboe, write

NIFTY, BANK = "NSE_INDEX|Nifty 50", "NSE_INDEX|Nifty Bank"
CHAIN, CONTRACTS = "/v2/option/chain", "/v2/option/contract"
SIDES = ("call_options", "put_options")
GREEKS = "/v3/market-quote/option-greek"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(sandbox: Sandbox) -> Any:
    client = httpx.Client(
        base_url=sandbox.url("upstox"), headers={"Authorization": f"Bearer {ANALYTICS_TOKEN}"}
    )

    def get(path: str, **parameters: Any) -> httpx.Response:
        return client.get(path, params=parameters)

    yield get
    client.close()


def fields(value: Any, prefix: str = "") -> dict[str, type]:
    """Return the paths of all fields, with their types; a whole number and a fraction are one."""
    if isinstance(value, dict):
        return {
            path: kind
            for name, inner in value.items()
            for path, kind in fields(inner, f"{prefix}/{name}").items()
        }
    if isinstance(value, list):
        return fields(value[0], prefix) if value else {}
    return {prefix: float if type(value) is int else type(value)}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["errorCode"]


# --- The fields are the vendor's --------------------------------------------------------------
def test_chain_has_the_fields_and_types_of_the_sample(ask: Ask, sandbox: Sandbox) -> None:
    theirs = fields(recorded("option_chain_doc_20250213"))
    expiry = sandbox.market.expiries("NIFTY")[0].isoformat()
    body = ask(CHAIN, instrument_key=NIFTY, expiry_date=expiry).json()
    row = next(
        row
        for row in body["data"]
        if all(row[name]["market_data"]["prev_oi"] is not None for name in SIDES)
    )
    assert fields(body | {"data": [row]}) == theirs


def test_contract_has_the_fields_and_types_of_the_sample(ask: Ask) -> None:
    body = ask(CONTRACTS, instrument_key=NIFTY).json()
    assert fields(body) == fields(recorded("option_contract_doc"))


def test_refusal_has_the_fields_of_the_sample(sandbox: Sandbox) -> None:
    answer = httpx.get(f"{sandbox.url('upstox')}{CHAIN}")
    assert answer.status_code == 401
    assert fields(answer.json()) == fields(recorded("error_401_shape"))


def test_option_greeks_are_those_of_the_chain_with_the_volatility_as_a_fraction(
    ask: Ask, sandbox: Sandbox
) -> None:
    expiry = sandbox.market.expiries("NIFTY")[0].isoformat()
    while True:
        rows = ask(CHAIN, instrument_key=NIFTY, expiry_date=expiry).json()["data"]
        near = min(rows, key=lambda row: abs(row["strike_price"] - row["underlying_spot_price"]))
        call = near["call_options"]
        data = ask(GREEKS, instrument_key=f"{call['instrument_key']},NSE_FO|1").json()["data"]
        [(name, values)] = data.items()
        # Both answers have to be of one second.
        if values["delta"] == call["option_greeks"]["delta"]:
            break
    assert name.startswith("NSE_FO:NIFTY")
    assert name.endswith(f"{near['strike_price']:g}CE")
    assert values["instrument_token"] == call["instrument_key"]
    assert round(100 * values["iv"], 2) == call["option_greeks"]["iv"]
    assert values.keys() == {
        "last_price", "instrument_token", "ltq", "volume", "cp", "iv", "vega", "gamma", "theta",
        "delta", "oi",
    }  # fmt: skip


# --- What is asked for ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "parameters", "refusal"),
    [
        (CHAIN, {}, (400, "UDAPI1009")),
        (CHAIN, {"instrument_key": "NSE_INDEX|None"}, (400, "UDAPI100011")),
        (CHAIN, {"instrument_key": NIFTY}, (400, "UDAPI100036")),
        (CHAIN, {"instrument_key": NIFTY, "expiry_date": "soon"}, (400, "UDAPI100036")),
        (CONTRACTS, {}, (400, "UDAPI1009")),
        (CONTRACTS, {"instrument_key": NIFTY, "expiry_date": "x"}, (400, "UDAPI100036")),
        (GREEKS, {}, (400, "UDAPI1009")),
        (GREEKS, {"instrument_key": ",".join(["NSE_FO|1"] * 51)}, (400, "UDAPI100042")),
        (GREEKS, {"instrument_key": "NSE_FO|1,NSE_EQ|2"}, (400, "UDAPI100011")),
    ],
)
def test_question_that_is_none_is_refused(
    path: str, parameters: dict[str, str], refusal: tuple[int, str], ask: Ask
) -> None:
    assert code(ask(path, **parameters)) == refusal


def test_expiry_that_is_not_listed_has_no_rows(ask: Ask) -> None:
    assert ask(CHAIN, instrument_key=BANK, expiry_date="2020-01-01").json()["data"] == []


def test_contracts_of_one_expiry_are_those_of_its_chain(ask: Ask, sandbox: Sandbox) -> None:
    expiry = sandbox.market.expiries("BANKNIFTY")[0]
    listed = ask(CONTRACTS, instrument_key=BANK, expiry_date=expiry.isoformat()).json()["data"]
    rows = ask(CHAIN, instrument_key=BANK, expiry_date=expiry.isoformat()).json()["data"]
    sides = [
        row[name]["instrument_key"] for row in rows for name in ("call_options", "put_options")
    ]
    assert [row["instrument_key"] for row in listed] == sides
    assert {row["lot_size"] for row in listed} == {35}
    found = contract_of(sandbox.market, sides[0])
    assert found is not None
    assert found.expiry == expiry


def test_market_of_a_recorded_chain_has_no_indian_underlying(tmp_path: Path) -> None:
    market = Market.from_chain_file(write(tmp_path, cboe()))
    with Sandbox(market=market) as sandbox:
        headers = {"Authorization": f"Bearer {ANALYTICS_TOKEN}"}
        address = f"{sandbox.url('upstox')}{CONTRACTS}?instrument_key={NIFTY}"
        assert code(httpx.get(address, headers=headers)) == (400, "UDAPI100011")


# --- Numbers ----------------------------------------------------------------------------------
def session_market(at: datetime, *, always_open: bool = False) -> Market:
    return Market.simulated(seed=7, start=at, always_open=always_open)


OPENING = datetime(2026, 11, 27, 3, 45, tzinfo=UTC)
EXPIRY = date(2026, 12, 1)


def test_same_second_has_the_same_bytes_everywhere_and_the_next_has_others() -> None:
    markets = [session_market(OPENING + timedelta(minutes=7)) for _ in range(2)]
    first, second = (UpstoxMarket(market) for market in markets)
    body = first.chain("NIFTY", EXPIRY)
    assert body == second.chain("NIFTY", EXPIRY)
    markets[0].step(1)
    assert first.chain("NIFTY", EXPIRY) != body


def test_chain_is_rounded_counts_units_and_leaves_some_uncomputed() -> None:
    body = UpstoxMarket(session_market(OPENING + timedelta(hours=3))).chain("NIFTY", EXPIRY)
    rows = msgspec.json.decode(body)["data"]
    sides = [row[name] for row in rows for name in SIDES]
    assert len(sides) > 150
    for side in sides:
        market, greeks = side["market_data"], side["option_greeks"]
        for name in ("oi", "volume", "bid_qty", "ask_qty"):
            assert market[name] % 75 == 0
        assert greeks["iv"] == round(greeks["iv"], 2)
        assert all(greeks[name] == round(greeks[name], 4) for name in ("delta", "gamma", "theta"))
    uncomputed = [side["option_greeks"] for side in sides if side["option_greeks"]["iv"] == 0]
    assert 0 < len(uncomputed) < len(sides) / 2
    assert {each["delta"] for each in uncomputed} <= {0.0, 1.0}
    assert {each[name] for each in uncomputed for name in ("gamma", "theta", "vega")} == {0.0}
    without = [side for side in sides if side["market_data"]["prev_oi"] is None]
    assert 0 < len(without) < len(sides) / 4


def test_session_is_polled_without_a_server_as_its_clock_is_stepped() -> None:
    market = session_market(OPENING)
    source = of_market(market)
    spots, volumes = [], []
    for _ in range(12):
        chain = source.fetch_chain(NIFTY, EXPIRY)
        spots.append(chain.spot)
        volumes.append(float(chain.volume.sum()))
        market.step(1800)
    assert len(set(spots)) == 12
    assert volumes == sorted(volumes)
    assert volumes[0] == 0.0
    market.step(6 * 3600)
    closed = source.fetch_chain(NIFTY, EXPIRY)
    market.step(600)
    assert source.fetch_chain(NIFTY, EXPIRY).spot == closed.spot


# --- Who may call, how often, and when --------------------------------------------------------
def test_token_of_the_log_in_opens_until_it_is_ended(sandbox: Sandbox) -> None:
    access = sandbox.applications["upstox"].state.access
    address = f"{sandbox.url('upstox')}{CONTRACTS}?instrument_key={NIFTY}"
    headers = {"Authorization": f"Bearer {access.grant()}"}
    assert httpx.get(address, headers=headers).status_code == 200
    access.end_all_tokens()
    assert code(httpx.get(address, headers=headers)) == (401, "UDAPI100050")


@pytest.mark.parametrize(("limit", "seconds"), [(50, 1.0), (500, 60.0), (2000, 1800.0)])
def test_call_beyond_a_window_is_refused_until_the_first_has_left_it(
    limit: int, seconds: float
) -> None:
    moment = 0.0
    limits = CallLimits(enabled=True, clock=lambda: moment)
    pace = {50: 0.0, 500: 0.03, 2000: 0.5}[limit]
    started = moment
    for _ in range(limit):
        assert limits.take()
        moment += pace
    assert not limits.take()
    moment = started + seconds - 0.001
    assert not limits.take()
    moment = started + seconds + 0.001
    assert limits.take()


def test_limits_and_hours_are_kept_over_the_wire_where_asked_for() -> None:
    with Sandbox(market=Market.simulated(seed=7), limits=True) as sandbox:
        state = sandbox.applications["upstox"].state
        headers = {"Authorization": f"Bearer {ANALYTICS_TOKEN}"}
        with httpx.Client(base_url=sandbox.url("upstox"), headers=headers) as client:
            night = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
            state.access.clock = lambda: night
            assert code(client.get(CHAIN)) == (423, "UDAPI100074")
            state.access.clock = lambda: OPENING
            state.limits.clock = lambda: 0.0
            while state.limits.take():
                pass
            assert code(client.get(CHAIN)) == (429, "UDAPI10005")


# --- The desk's own client on the wire --------------------------------------------------------
def test_chain_over_the_wire_is_the_markets(sandbox: Sandbox) -> None:
    token = ScriptedToken(ANALYTICS_TOKEN)
    source = UpstoxProvider(UpstoxClient(sandbox.url("upstox"), timeout=5.0, token=token))
    listing = source.fetch_listing(BANK)
    assert [each.expiry for each in listing.expiries] == list(sandbox.market.expiries("BANKNIFTY"))
    assert {each.lot_size for each in listing.expiries} == {35}
    chain = source.fetch_chain(BANK, listing.expiries[0].expiry)
    contracts = sandbox.market.chain("BANKNIFTY", listing.expiries[0].expiry)
    assert chain.strike.tolist() == [float(each.strike or 0) for each in contracts]
    assert chain.is_call.tolist() == [each.right == "C" for each in contracts]
    assert chain.rejected == ()
    computed = ~np.isnan(chain.delta)
    assert 0.6 < computed.mean() < 1.0
    at_the_money = int(np.abs(chain.strike - (chain.spot or 0)).argmin())
    assert 0.3 < chain.delta[at_the_money] < 0.7
    assert 0.05 < chain.implied_volatility[at_the_money] < 0.6
    source.close()


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        ({"status": 503, "times": 1}, 2),
        ({"disconnect": True, "times": 1}, 2),
        ({"status": 401, "body": {"errors": [{"errorCode": "UDAPI100050"}]}, "times": 1}, 2),
    ],
)
def test_fault_that_passes_costs_one_more_call(
    fault: dict[str, Any], calls: int, sandbox: Sandbox
) -> None:
    sandbox.faults.add(server="upstox", path=CHAIN, **fault)
    token = ScriptedToken("an-older-token", ANALYTICS_TOKEN)
    if fault.get("status") != 401:
        token.renew()
    source = UpstoxProvider(UpstoxClient(sandbox.url("upstox"), timeout=5.0, token=token))
    expiry = sandbox.market.expiries("NIFTY")[0]
    assert len(source.fetch_chain(NIFTY, expiry)) == len(sandbox.market.chain("NIFTY", expiry))
    assert source.calls == calls
    source.close()
