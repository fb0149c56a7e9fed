"""The simulated Tastytrade speaks the vendor's protocol: fields, types, pages, errors, log-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from config.core.sandbox.server import Sandbox
from greeks.instruments.occ import parse_occ, parse_streamer
from greeks.sandbox.market import Market
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.tastytrade.log_ins import CLIENT_SECRET, REFRESH_TOKEN
from portfolio.sandbox.tastytrade.transactions import history
from tests.portfolio.brokers.tastytrade.tastytrade_support import recorded

ACCOUNT = "5WX00001"
LOG_IN = {
    "grant_type": "refresh_token",
    "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
#: In later answers of the vendor than the recorded ones.
LATER_FIELDS = {"currency", "used-derivative-buying-power"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    start = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    with Sandbox(market=Market.simulated(seed=7, start=start), limits=True) as running:
        yield running


@pytest.fixture
def market(sandbox: Sandbox) -> Market:
    assert isinstance(sandbox.market, Market)
    return sandbox.market


@pytest.fixture
def account(sandbox: Sandbox) -> SimulatedAccount:
    found = sandbox.books.account(ACCOUNT)
    assert isinstance(found, SimulatedAccount)
    return found


@pytest.fixture
def stranger(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client that is not logged in, at a server without sessions."""
    sandbox.applications["tastytrade"].state.log_ins.forget()
    with httpx.Client(
        base_url=sandbox.url("tastytrade"),
        headers={"User-Agent": "greekdesk-tests/1.0"},
        timeout=10.0,
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture
def client(stranger: httpx.Client) -> httpx.Client:
    token = stranger.post("/oauth/token", json=LOG_IN).json()["access_token"]
    stranger.headers["Authorization"] = f"Bearer {token}"
    return stranger


def data(client: httpx.Client, path: str, **parameters: Any) -> Any:
    response = client.get(path, params={k.replace("_", "-"): v for k, v in parameters.items()})
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["context"] == path
    return body["data"]


def shape(value: Any) -> Any:
    """Names and types of a payload; of a list, those of its first row."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def compare(ours: Any, theirs: Any, *, where: str = "") -> Iterator[str]:
    """Return fields of the recorded payload that ours lacks or has with another type."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name, inner in theirs.items():
            if name not in ours:
                yield f"{where}/{name}: missing"
            else:
                yield from compare(ours[name], inner, where=f"{where}/{name}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        if theirs and ours:
            yield from compare(ours[0], theirs[0], where=f"{where}/0")
    elif ours != theirs:
        yield f"{where}: {ours} instead of {theirs}"


def check_shape(ours: Any, theirs: Any) -> None:
    assert list(compare(shape(ours), shape(theirs))) == []
    invented = set(ours) - set(theirs) - LATER_FIELDS
    assert not invented


def test_accounts_and_fields_are_the_recorded_ones(client: httpx.Client) -> None:
    [row] = data(client, "/customers/me/accounts")["items"]
    check_shape(row, recorded("myAccountsResp")["data"]["items"][0])
    assert row["account"]["account-number"] == ACCOUNT


@pytest.mark.parametrize("path", ["balances", "balances/USD"])
def test_balances_and_fields_are_the_recorded_ones(client: httpx.Client, path: str) -> None:
    ours = data(client, f"/accounts/{ACCOUNT}/{path}")
    check_shape(ours, recorded("accountBalancesResp")["data"])


def test_positions_and_fields_are_the_recorded_ones(client: httpx.Client) -> None:
    theirs = recorded("accountPositionsResp")["data"]["items"][0]
    rows = data(client, f"/accounts/{ACCOUNT}/positions")["items"]
    [*options] = [row for row in rows if row["instrument-type"] == "Equity Option"]
    [*equities] = [row for row in rows if row["instrument-type"] == "Equity"]
    check_shape(options[0], theirs)
    check_shape(equities[0], {k: v for k, v in theirs.items() if k != "expires-at"})
    marked = data(client, f"/accounts/{ACCOUNT}/positions", include_marks="true")["items"]
    assert {"mark", "mark-price"} == set(marked[0]) - set(rows[0])


def test_positions_and_they_have_the_signs_of_the_book(
    client: httpx.Client, account: SimulatedAccount
) -> None:
    rows = data(client, f"/accounts/{ACCOUNT}/positions")["items"]
    signs = {"Long": 1, "Short": -1}
    assert {r["symbol"]: r["quantity"] * signs[r["quantity-direction"]] for r in rows} == {
        held.contract.symbol: held.quantity for held in account.positions()
    }


def test_filled_order_and_fields_are_the_recorded_ones(client: httpx.Client) -> None:
    rows = data(client, f"/accounts/{ACCOUNT}/orders/live")["items"]
    [*filled] = [row for row in rows if row["status"] == "Filled"]
    [*working] = [row for row in rows if row["status"] == "Live"]
    theirs = recorded("customerLiveOrdersResp")["data"]["items"][0]
    check_shape(filled[0], theirs)
    assert set(working[0]) == set(theirs) - {"terminal-at"}
    assert data(client, f"/accounts/{ACCOUNT}/orders/{filled[0]['id']}") == filled[0]


def test_transactions_and_fields_are_the_recorded_ones(client: httpx.Client) -> None:
    theirs = recorded("transactionsResp")
    response = client.get(f"/accounts/{ACCOUNT}/transactions")
    check_shape(response.json()["data"]["items"][0], theirs["data"]["items"][0])
    assert set(response.json()["pagination"]) == set(theirs["pagination"])


def test_option_quotes_and_fields_are_the_recorded_ones(
    client: httpx.Client, market: Market
) -> None:
    # What trades has every field.
    chain = market.chain("SPY", market.expiries("SPY")[3])
    liquid = max(market.quotes(chain), key=lambda quote: quote.volume or 0)
    [row] = data(client, "/market-data/by-type", equity_option=liquid.contract.symbol)["items"]
    check_shape(row, recorded("market_data_equity_option_response")["items"][0])


def test_chain_and_fields_are_the_recorded_ones(client: httpx.Client) -> None:
    [chain] = data(client, "/option-chains/SPY/nested")["items"]
    check_shape(chain, recorded("equityOptionChainsNestedResp")["data"]["items"][0])
    check_shape(chain, recorded("capture_nested-option-chain")["items"][0])


def test_instruments_and_fields_are_the_recorded_ones(client: httpx.Client) -> None:
    check_shape(data(client, "/instruments/equities/AAPL"), recorded("equityResp")["data"])
    [chain] = data(client, "/option-chains/AAPL/nested")["items"]
    symbol = chain["expirations"][0]["strikes"][0]["call"]
    theirs = recorded("equityOptionResp")["data"]
    check_shape(data(client, f"/instruments/equity-options/{symbol}"), theirs)
    listed = data(client, "/instruments/equity-options", **{"symbol[]": [symbol, "NONE"]})
    check_shape(listed["items"][0], theirs)
    assert len(listed["items"]) == 1


def test_chain_and_its_symbols_say_what_their_strikes_say(client: httpx.Client) -> None:
    [chain] = data(client, "/option-chains/SPY/nested")["items"]
    assert chain["expirations"]
    for expiration in chain["expirations"]:
        strikes = [float(row["strike-price"]) for row in expiration["strikes"]]
        assert strikes == sorted(set(strikes))
        row = expiration["strikes"][0]
        for side, right in (("call", "C"), ("put", "P")):
            symbol = parse_occ(row[side])
            assert symbol == parse_streamer(row[f"{side}-streamer-symbol"])
            assert (symbol.right, float(symbol.strike)) == (right, strikes[0])
            assert symbol.expiry.isoformat() == expiration["expiration-date"]


def test_symbols_in_every_way_clients_send_them_and_all_are_answered(client: httpx.Client) -> None:
    for parameters in (
        "equity=SPY,QQQ&index=VIX",
        "equity=SPY&equity=QQQ&index=VIX",
        "equity[]=SPY&equity[]=QQQ&index[]=VIX",
    ):
        rows = client.get(f"/market-data/by-type?{parameters}").json()["data"]["items"]
        assert [row["symbol"] for row in rows] == ["SPY", "QQQ", "VIX"]


def test_symbols_it_does_not_trade_and_they_are_absent(client: httpx.Client) -> None:
    rows = data(client, "/market-data/by-type", equity="SPY,NONE,NIFTY,756733,VIX")["items"]
    assert [row["symbol"] for row in rows] == ["SPY"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/accounts/5WX99999/positions", 404, "record_not_found"),
        ("/accounts/DU1000001/positions", 404, "record_not_found"),
        (f"/accounts/{ACCOUNT}/balances/EUR", 404, "record_not_found"),
        (f"/accounts/{ACCOUNT}/orders/1", 404, "record_not_found"),
        (f"/accounts/{ACCOUNT}/transactions?per-page=2001", 400, "validation_error"),
        (f"/accounts/{ACCOUNT}/transactions?per-page=0", 400, "validation_error"),
        (f"/accounts/{ACCOUNT}/transactions?page-offset=x", 400, "validation_error"),
        (f"/accounts/{ACCOUNT}/transactions?start-at=noon", 400, "validation_error"),
        ("/market-data/by-type", 400, "validation_error"),
        ("/market-data/by-type?equity=" + ",".join(["SPY"] * 101), 400, "validation_error"),
        ("/option-chains/NONE/nested", 404, "record_not_found"),
        ("/option-chains/NIFTY/nested", 404, "record_not_found"),
        ("/instruments/equities/NONE", 404, "record_not_found"),
        ("/instruments/equity-options/SPY", 404, "record_not_found"),
        ("/no/such/path", 404, "not_found"),
    ],
)
def test_request_that_cannot_be_answered_and_error_has_the_vendors_form(
    client: httpx.Client, path: str, status: int, code: str
) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"]


def test_pages_of_transactions_and_together_they_are_all(
    client: httpx.Client, account: SimulatedAccount, market: Market
) -> None:
    since = market.now() - timedelta(days=10)
    expected = [str(row["id"]) for row in history(account, since, market.now())]
    path, rows, page = f"/accounts/{ACCOUNT}/transactions", [], 0
    while True:
        body = client.get(
            path,
            params={
                "start-at": since.isoformat(),
                "sort": "Asc",
                "per-page": 13,
                "page-offset": page,
            },
        ).json()
        rows += body["data"]["items"]
        assert body["pagination"]["current-item-count"] == len(body["data"]["items"])
        page += 1
        if page == body["pagination"]["total-pages"]:
            break
    assert page > 1
    assert [str(row["id"]) for row in rows] == expected
    assert body["pagination"]["total-items"] == len(expected)


def test_transactions_filtered_and_only_the_wanted_come(client: httpx.Client) -> None:
    path = f"/accounts/{ACCOUNT}/transactions"
    assert data(client, path, **{"types[]": ["Money Movement"]})["items"] == []
    (deposit,) = data(client, path, start_date="2020-01-01", **{"types[]": ["Money Movement"]})[
        "items"
    ]
    assert (deposit["transaction-sub-type"], deposit["value-effect"]) == ("Deposit", "Credit")
    rows = data(client, path, **{"types[]": ["Trade"], "underlying-symbol": "SPY"})["items"]
    assert rows
    assert {row["underlying-symbol"] for row in rows} == {"SPY"}
    times = [row["executed-at"] for row in rows]
    assert times == sorted(times, reverse=True)
    end = data(client, path, end_date="2026-11-10")["items"]
    assert end
    assert max(row["transaction-date"] for row in end) <= "2026-11-10"


def test_quote_token_and_it_names_the_streamer(client: httpx.Client, sandbox: Sandbox) -> None:
    token = data(client, "/api-quote-tokens")
    assert token["token"]
    assert token["dxlink-url"] == sandbox.url("dxlink").replace("http", "ws", 1)


def test_log_in_and_the_token_lives_for_a_quarter_of_an_hour(stranger: httpx.Client) -> None:
    answer = stranger.post("/oauth/token", json=LOG_IN).json()
    assert (answer["expires_in"], answer["token_type"]) == (900, "Bearer")
    assert answer["access_token"]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic abc"])
def test_no_valid_token_and_nothing_is_answered(stranger: httpx.Client, authorization: str) -> None:
    headers = {"Authorization": authorization}
    response = stranger.get("/customers/me/accounts", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_token"


@pytest.mark.parametrize("agent", ["", "curl", "/1.0"])
@pytest.mark.parametrize("path", ["/customers/me/accounts", "/oauth/token"])
def test_user_agent_without_version_and_the_web_server_refuses(
    client: httpx.Client, agent: str, path: str
) -> None:
    method = "POST" if path == "/oauth/token" else "GET"
    response = client.request(method, path, headers={"User-Agent": agent}, json=LOG_IN)
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "body",
    [
        LOG_IN | {"refresh_token": "wrong"},
        LOG_IN | {"client_secret": "wrong"},
        LOG_IN | {"grant_type": "password"},
        ["a", "list"],
    ],
)
def test_wrong_log_in_and_no_token_comes(stranger: httpx.Client, body: Any) -> None:
    response = stranger.post("/oauth/token", json=body)
    assert response.status_code == 400
    assert "access_token" not in response.json()


def test_five_refused_log_ins_and_the_address_is_blocked(stranger: httpx.Client) -> None:
    for _ in range(5):
        stranger.post("/oauth/token", json=LOG_IN | {"refresh_token": "wrong"})
    assert stranger.post("/oauth/token", json=LOG_IN).status_code == 403


def test_refused_log_ins_with_a_good_one_between_and_nothing_is_blocked(
    stranger: httpx.Client,
) -> None:
    for _ in range(3):
        for _ in range(4):
            stranger.post("/oauth/token", json=LOG_IN | {"refresh_token": "wrong"})
        assert stranger.post("/oauth/token", json=LOG_IN).status_code == 200
