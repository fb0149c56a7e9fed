"""Which calls read what is held: pages, the minute's budget, pauses, and answers that are none."""

from __future__ import annotations

import json
import multiprocessing
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from config.core.errors import (
    ForbiddenError,
    InvalidInput,
    MalformedResponse,
    ProviderError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.health import run_checks
from config.core.redis_client import key, redis_client
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract, Right
from greeks.providers import registry
from greeks.providers.base import CountsCalls, DailyClosesProvider
from greeks.providers.polygon import PolygonProvider, server_name
from greeks.sandbox.market import Market
from greeks.sandbox.polygon_rules import API_KEY
from tests.greeks.providers.polygon_support import (
    EXPIRY,
    answering,
    option,
    page,
    provider,
    row,
)

CALL = option()
TWELVE = [option(100, underlying=f"UND{letter}") for letter in "ABCDEFGHIJKL"]


class Asked(list[httpx.Request]):
    """Answers each chain with the rows of its contracts, and remembers what was asked."""

    def __init__(self, contracts: list[Contract]) -> None:
        super().__init__()
        self.contracts = contracts

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.append(request)
        underlying = request.url.path.rsplit("/", 1)[-1]
        rows = [row(each) for each in self.contracts if each.underlying == underlying]
        return httpx.Response(200, json=page(*rows))

    @property
    def underlyings(self) -> list[str]:
        return [request.url.path.rsplit("/", 1)[-1] for request in self]


def query(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}


# --- Calls and pages --------------------------------------------------------------------------
def test_many_legs_of_an_underlying_are_one_call_for_their_box() -> None:
    later = EXPIRY + timedelta(days=35)
    legs = [option(150), option(170), option(130, right=Right.PUT, expiry=later)]
    between = option(160)
    asked = Asked([*legs, between])

    fetched = provider(asked).fetch_snapshots(legs)

    [request] = asked
    assert request.url.path == "/v3/snapshot/options/AAPL"
    assert query(request) == {
        "expiration_date.gte": EXPIRY.isoformat(),
        "expiration_date.lte": later.isoformat(),
        "strike_price.gte": "130",
        "strike_price.lte": "170",
        "sort": "expiration_date",
        "order": "asc",
        "limit": "250",
    }
    assert request.headers["authorization"] == "Bearer a-secret-key"
    # What lies between the legs is not asked about.
    assert [snapshot.contract for snapshot in fetched.items] == legs
    assert (fetched.rejected, fetched.left_out) == ((), {})


def test_legs_of_one_right_are_asked_for_without_the_other() -> None:
    asked = Asked([CALL])
    provider(asked).fetch_snapshots([CALL])
    assert query(asked[0])["contract_type"] == "call"


def test_adjusted_and_weekly_roots_share_the_underlyings_call() -> None:
    legs = [
        option(6000, underlying="SPX", root="SPX"),
        option(6000, underlying="SPX", root="SPXW"),
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v3/snapshot/options/I:SPX"
        return httpx.Response(200, json=page(*map(row, legs)))

    assert [s.contract for s in provider(handler).fetch_snapshots(legs).items] == legs


def test_what_the_vendor_does_not_cover_costs_no_call() -> None:
    asked = Asked([])
    fetched = provider(asked).fetch_snapshots([option(26000, underlying="NIFTY", currency="INR")])
    assert (asked, fetched.items) == ([], ())


@pytest.mark.parametrize("host", ["https://api.massive.com", "https://attacker.test", "//other"])
def test_next_page_is_asked_of_our_own_host_whatever_it_names(host: str) -> None:
    legs = [option(strike) for strike in (140, 150, 160)]
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        number = int(query(request).get("cursor", "0"))
        following = f"{host}/v3/snapshot/options/AAPL?cursor={number + 1}&apiKey=theirs"
        assert "apiKey" not in query(request)
        return httpx.Response(
            200, json=page(row(legs[number]), next_url=following if number < 2 else None)
        )

    source = provider(handler)
    fetched = source.fetch_snapshots(legs)

    assert [snapshot.contract for snapshot in fetched.items] == legs
    assert len(hosts) == source.calls == 3
    assert len(set(hosts)) == 1
    assert hosts[0].startswith("polygon")


@pytest.mark.parametrize(
    "address",
    [
        "https://api.massive.com/v2/last/trade/AAPL?cursor=1",
        "https://api.massive.com/v3/snapshot/options/../../../else?cursor=1",
        "//evil.test/else",
        "https://[broken",
        7,
        ["a"],
    ],
)
def test_next_page_that_leads_elsewhere_is_refused_and_the_rest_left_out(address: Any) -> None:
    legs = [option(140), option(150)]
    body = page(row(legs[0])) | {"next_url": address}

    with pytest.raises(MalformedResponse, match="next_url"):
        answering(body).fetch_snapshots(legs)


def test_pages_end_when_everything_held_has_come() -> None:
    body = page(row(CALL), next_url="https://api.massive.com/v3/snapshot/options/AAPL?cursor=1")
    source = answering(body)
    assert len(source.fetch_snapshots([CALL]).items) == 1
    assert source.calls == 1


def test_provider_that_never_ends_is_stopped() -> None:
    body = page(next_url="https://api.massive.com/v3/snapshot/options/AAPL?cursor=1")
    source = answering(body)
    fetched = source.fetch_snapshots([CALL])
    assert fetched.items == ()
    assert "pages" in fetched.left_out["AAPL"]
    assert source.calls == 100


def test_wide_box_is_asked_for_expiry_by_expiry(sandbox: Sandbox) -> None:
    market = sandbox.market
    expiries = market.expiries("SPY")
    legs = [
        contract
        for expiry in (expiries[0], expiries[-1])
        for contract in market.chain("SPY", expiry)
        if contract.strike in (Decimal(600), Decimal(700))
    ]
    assert len(legs) == 8
    whole = sum(
        600 <= float(contract.strike or 0) <= 700
        for expiry in expiries
        for contract in market.chain("SPY", expiry)
    )

    source = of_sandbox(sandbox)
    fetched = source.fetch_snapshots(legs)

    assert {s.contract.symbol for s in fetched.items} == {leg.symbol for leg in legs}
    assert source.calls <= 4 < whole / 250


def of_sandbox(sandbox: Sandbox, **options: Any) -> PolygonProvider:
    values: dict[str, Any] = {"api_key": API_KEY, "calls_per_minute": 0, "timeout": 5.0}
    return PolygonProvider(sandbox.url("polygon"), **(values | options))


def test_numbers_are_those_of_the_market(sandbox: Sandbox) -> None:
    market = sandbox.market
    expiry = market.expiries("NVDA")[3]
    legs = [*market.chain("NVDA", expiry), *market.chain("VIX", market.expiries("VIX")[1])]

    fetched = of_sandbox(sandbox).fetch_snapshots(legs)

    quotes = {quote.contract.symbol: quote for quote in market.quotes(legs)}
    assert (len(fetched.items), fetched.rejected) == (len(legs), ())
    with_greeks = [s for s in fetched.items if s.greeks is not None]
    assert 0 < len(with_greeks) < len(legs)
    for snapshot in with_greeks:
        true = quotes[snapshot.contract.symbol]
        assert snapshot.greeks is not None
        assert snapshot.greeks.delta == pytest.approx(true.delta, abs=0.02)
        assert snapshot.greeks.vega == pytest.approx(true.vega, abs=0.02)
        assert snapshot.greeks.underlying_price == pytest.approx(true.underlying_price, rel=0.01)


# --- The minute's budget ----------------------------------------------------------------------
def test_five_calls_a_minute_and_twelve_underlyings_take_three_minutes() -> None:
    asked = Asked(TWELVE)
    source = provider(asked, calls_per_minute=5)

    first = source.fetch_snapshots(TWELVE)
    next_minute(source)
    second = source.fetch_snapshots(TWELVE)
    next_minute(source)
    third = source.fetch_snapshots(TWELVE)

    names = [contract.underlying for contract in TWELVE]
    assert [s.contract.underlying for s in first.items] == names[:5]
    assert list(first.left_out) == names[5:]
    assert "call budget" in first.left_out["UNDF"]
    assert [s.contract.underlying for s in second.items] == names[5:10]
    # Those that were asked longest ago come next.
    assert [s.contract.underlying for s in third.items] == [*names[10:], *names[:3]]
    assert asked.underlyings == [*names, *names[:3]]


def test_budget_that_is_used_up_raises_when_nothing_came() -> None:
    source = provider(Asked(TWELVE), calls_per_minute=1)
    source.fetch_snapshots(TWELVE[:1])
    with pytest.raises(RateLimitedError) as caught:
        source.fetch_snapshots(TWELVE[1:])
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 60


def next_minute(source: PolygonProvider) -> None:
    """As if a minute had passed: its calls are forgotten, what was asked is not."""
    deleted = redis_client().delete(key("budget", source._server))
    assert deleted == 1


def test_two_processes_share_the_minute(sandbox: Sandbox) -> None:
    legs = [
        chain[len(chain) // 2]
        for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")
        for chain in [sandbox.market.chain(symbol, sandbox.market.expiries(symbol)[1])]
    ]
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[int] = context.Queue()
    url = sandbox.url("polygon")
    processes = [context.Process(target=_ask, args=(url, legs, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    got = [answers.get(timeout=20) for _ in processes]
    for process in processes:
        process.join(10)

    assert sum(got) == 7
    assert len(sandbox.faults.requests(server="polygon")) == 7


def _ask(url: str, legs: list[Contract], answers: multiprocessing.Queue[int]) -> None:
    source = PolygonProvider(url, api_key=API_KEY, calls_per_minute=7, timeout=5.0)
    try:
        answers.put(len(source.fetch_snapshots(legs).items))
    except ProviderError:
        answers.put(0)


def test_vendors_own_limit_pauses_everybody_as_long_as_it_says(sandbox: Sandbox) -> None:
    sandbox.applications["polygon"].state.limit.enabled = True
    legs = [
        sandbox.market.chain(symbol, sandbox.market.expiries(symbol)[1])[40]
        for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")
    ]
    source = of_sandbox(sandbox)
    source.fetch_snapshots(legs)

    with pytest.raises(RateLimitedError) as caught:
        source.fetch_snapshots(legs)

    assert caught.value.retry_after is not None
    assert 50 <= caught.value.retry_after <= 60
    # Five answers and one refusal; while the pause lasts nobody calls, not even another object.
    with pytest.raises(RateLimitedError):
        of_sandbox(sandbox).fetch_snapshots(legs)
    assert len(sandbox.faults.requests(server="polygon")) == 6


def test_short_wait_is_kept_and_the_call_repeated() -> None:
    refused = httpx.Response(429, headers={"Retry-After": "0"}, json={"error": "wait"})
    source = answering(refused, page(row(CALL)))
    assert len(source.fetch_snapshots([CALL]).items) == 1
    assert source.calls == 2


# --- Failures ---------------------------------------------------------------------------------
def test_chain_that_is_unreadable_stops_no_other() -> None:
    legs = [option(100, underlying="BAD"), option(100, underlying="GOOD")]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/BAD"):
            return httpx.Response(200, text='{"status": "OK", "results": [{"day": {"cl')
        return httpx.Response(200, json=page(row(legs[1])))

    fetched = provider(handler).fetch_snapshots(legs)

    assert [snapshot.contract.underlying for snapshot in fetched.items] == ["GOOD"]
    assert "is not JSON" in fetched.left_out["BAD"]


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text='{"status": "OK", "results": [{"day": {"cl'),
        httpx.Response(200, html="<html>Sign in</html>"),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(200, json={"status": "OK", "results": {"a": 1}}),
        httpx.Response(200, json={"status": "ERROR", "error": "NaN"}),
        httpx.Response(200, json="results"),
        httpx.Response(200, text="null"),
    ],
)
def test_answer_that_is_none_raises(response: httpx.Response) -> None:
    with pytest.raises(MalformedResponse):
        answering(response).fetch_snapshots([CALL])


def test_underlying_that_the_vendor_does_not_know_is_absent() -> None:
    for body in (page(), {"status": "OK", "request_id": "r"}):
        fetched = answering(body).fetch_snapshots([CALL])
        assert (fetched.items, fetched.left_out) == ((), {})


def test_pages_that_came_before_a_failure_are_used_and_the_rest_named() -> None:
    legs = [option(140), option(150)]
    following = "https://api.massive.com/v3/snapshot/options/AAPL?cursor=1"
    source = answering(page(row(legs[0]), next_url=following), httpx.Response(404, json={}))

    fetched = source.fetch_snapshots(legs)

    assert [snapshot.contract for snapshot in fetched.items] == legs[:1]
    assert list(fetched.left_out) == ["AAPL"]


def test_vendor_that_is_down_is_asked_twice_and_no_further_chain() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise httpx.ConnectError("down")

    with pytest.raises(RetryableError):
        provider(handler).fetch_snapshots(TWELVE)
    assert asked == ["/v3/snapshot/options/UNDA"] * 2


def test_refused_key_is_not_tried_again_and_health_says_so(settings: Any) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(401, json={"error": f"Unknown API Key {request.headers}"})

    source = provider(handler)
    for _ in range(3):
        with pytest.raises(UnauthorisedError) as caught:
            source.fetch_snapshots(TWELVE)
        assert "a-secret-key" not in str(caught.value)
    assert len(asked) == 1

    settings.POLYGON_API_KEY = "a-secret-key"
    settings.POLYGON_URL = f"https://{source._server.partition('@')[2]}"
    check = run_checks().checks["provider.polygon"]
    assert (check.status, check.detail) == ("degraded", "The key is refused.")


def test_chain_outside_the_plan_is_not_asked_for_again() -> None:
    legs = [option(6000, underlying="SPX"), CALL]
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rsplit("/", 1)[-1])
        if asked[-1] == "I:SPX":
            return httpx.Response(403, json={"status": "NOT_AUTHORIZED", "message": "Upgrade."})
        return httpx.Response(200, json=page(row(CALL)))

    source = provider(handler)
    for _ in range(2):
        fetched = source.fetch_snapshots(legs)
        assert [snapshot.contract for snapshot in fetched.items] == [CALL]
        assert list(fetched.left_out) == ["SPX"]
    assert asked == ["I:SPX", "AAPL", "AAPL"]
    with pytest.raises(ForbiddenError):
        source.fetch_snapshots(legs[:1])


def test_health_of_a_provider_that_is_not_set_up_or_well_is_well(
    sandbox: Sandbox, settings: Any
) -> None:
    assert run_checks().checks["provider.polygon"].detail == "Not set up."
    settings.POLYGON_API_KEY = API_KEY
    settings.POLYGON_URL = sandbox.url("polygon")
    source = registry.open_provider("polygon")
    contract = sandbox.market.chain("SPY", sandbox.market.expiries("SPY")[0])[0]
    source.fetch_snapshots([contract])
    check = run_checks().checks["provider.polygon"]
    assert (check.status, check.age_seconds is not None) == ("ok", True)


# --- Daily closes -----------------------------------------------------------------------------
def bar(day: str, close: Any) -> dict[str, Any]:
    opens = {"2026-03-06": 1772773200000, "2026-03-09": 1773028800000, "2026-11-02": 1793595600000}
    return {"t": opens[day], "c": close, "o": 1, "h": 2, "l": 1, "v": 10, "n": 1, "vw": 1.5}


def test_closes_are_of_the_days_in_new_york_in_summer_and_winter() -> None:
    asked: list[httpx.Request] = []
    bars = [bar("2026-03-06", 10.5), bar("2026-03-09", 11), bar("2026-11-02", 12.25)]

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"status": "DELAYED", "results": bars})

    fetched = provider(handler).fetch_daily_closes(
        "SPX", start=date(2026, 3, 6), end=date(2026, 11, 2)
    )

    assert [(each.symbol, each.session_date, each.close) for each in fetched.items] == [
        ("SPX", date(2026, 3, 6), Decimal("10.5")),
        ("SPX", date(2026, 3, 9), Decimal(11)),
        ("SPX", date(2026, 11, 2), Decimal("12.25")),
    ]
    [request] = asked
    assert request.url.path == "/v2/aggs/ticker/I:SPX/range/1/day/2026-03-06/2026-11-02"
    assert query(request) == {"adjusted": "true", "sort": "asc", "limit": "50000"}


def test_closes_of_several_pages_are_whole_or_raise() -> None:
    following = "https://api.massive.com/v2/aggs/ticker/SPY/range/1/day/1/2?cursor=x"
    first = {"status": "OK", "results": [bar("2026-03-06", 10)], "next_url": following}
    second = {"status": "OK", "results": [bar("2026-03-09", 11)]}
    days = {"start": date(2026, 3, 6), "end": date(2026, 3, 9)}

    assert len(answering(first, second).fetch_daily_closes("SPY", **days).items) == 2
    with pytest.raises(MalformedResponse):
        answering(first, {"status": "OK", "results": 7}).fetch_daily_closes("SPY", **days)


@pytest.mark.parametrize("close", [None, float("nan"), "many", 0, -3, True])
def test_damaged_bar_is_set_aside(close: Any) -> None:
    text = httpx.Response(
        200,
        text=json.dumps(
            {"status": "OK", "results": [bar("2026-03-06", close), bar("2026-03-09", 11)]}
        ),
    )
    fetched = answering(text).fetch_daily_closes(
        "SPY", start=date(2026, 3, 6), end=date(2026, 3, 9)
    )
    assert len(fetched.items) == len(fetched.rejected) == 1


def test_symbol_without_a_past_has_none() -> None:
    body = {"status": "OK", "ticker": "NONE", "queryCount": 0, "resultsCount": 0}
    days = {"start": date(2026, 3, 6), "end": date(2026, 3, 9)}
    assert answering(body).fetch_daily_closes("NONE", **days).items == ()


# --- The registry -----------------------------------------------------------------------------
def test_provider_is_configured_when_the_settings_hold_a_key(settings: Any) -> None:
    assert registry.configured_providers() == ()
    assert registry.open_daily_closes_provider() is None
    with pytest.raises(InvalidInput, match="polygon"):
        registry.open_provider("polygon")

    settings.POLYGON_API_KEY = "key"
    settings.POLYGON_URL = "https://polygon.test"

    assert registry.configured_providers() == ("polygon",)
    opened = registry.open_daily_closes_provider()
    assert isinstance(opened, DailyClosesProvider)
    assert isinstance(opened, CountsCalls)
    assert opened.source == "polygon"
    assert server_name("https://polygon.test/v9") == "polygon@polygon.test"
    opened.close()


def test_within_its_budget_it_is_never_refused() -> None:
    with Sandbox(market=Market.simulated(seed=7), limits=True) as sandbox:
        legs = [
            contract
            for symbol in ("SPY", "QQQ", "AAPL", "NVDA", "VIX")
            for expiry in sandbox.market.expiries(symbol)[::4]
            for contract in sandbox.market.chain(symbol, expiry)[::40]
        ]
        fetched = of_sandbox(sandbox, calls_per_minute=5).fetch_snapshots(legs)
        statuses = [request.status for request in sandbox.faults.requests(server="polygon")]
    assert statuses == [200] * 5
    assert fetched.items
    assert fetched.left_out
