"""Calls to Upstox, and how the desk reacts when it refuses, is closed or fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import httpx
import pytest

from auth_tokens.sandbox.upstox.access import ANALYTICS_TOKEN
from config.core.errors import (
    ForbiddenError,
    InvalidInput,
    MalformedResponse,
    PermanentError,
    ProviderClosed,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.health import run_checks
from config.core.http.budget import CallBudget
from config.core.http.pause import SharedPause
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract, InstrumentKind, Right
from greeks.providers.chain_registry import configured_chain_providers, open_chain_provider
from greeks.providers.registry import configured_providers
from greeks.providers.upstox.client import WINDOWS
from greeks.providers.upstox.names import seconds_until_open
from tests.greeks.providers.polygon_support import option
from tests.greeks.providers.upstox_support import (
    EXPIRY,
    NIFTY,
    ScriptedToken,
    answering,
    chain_body,
    failure,
    provider,
    recorded,
    side,
    strike,
)


# --- Questions and answers --------------------------------------------------------------------
def test_chain_is_one_call_with_the_key_the_expiry_and_the_token() -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=chain_body(strike()))

    source = provider(handler)
    assert len(source.fetch_chain(NIFTY, EXPIRY)) == 2
    [request] = asked
    assert request.url.path == "/v2/option/chain"
    assert dict(request.url.params) == {"instrument_key": NIFTY, "expiry_date": "2026-12-01"}
    assert request.headers["authorization"] == "Bearer a-secret-token"
    assert source.calls == 1


def listed(expiry: Any = "2026-12-01", lot_size: Any = 75, **changes: Any) -> dict[str, Any]:
    return {"expiry": expiry, "lot_size": lot_size, "weekly": True, "name": "NIFTY"} | changes


def test_listing_has_each_expiry_once_with_the_lot_that_the_vendor_says() -> None:
    rows = [
        listed("2026-12-29", 65, weekly=False),
        listed(),
        listed(),
        listed("2026-12-08"),
        listed("2026-12-29", 65, weekly=False),
        listed("2026-12-29", 130, weekly=False),
    ]
    listing = answering(chain_body(*rows)).fetch_listing(NIFTY)
    assert [(each.expiry.day, each.lot_size, each.is_weekly) for each in listing.expiries] == [
        (1, 75, True),
        (8, 75, True),
        (29, 65, False),
    ]
    assert (listing.source, listing.instrument_key) == ("upstox", NIFTY)


@pytest.mark.parametrize(
    "row", [None, 7, {}, listed("soon"), listed(lot_size=0), listed(lot_size="many"), listed(None)]
)
def test_listed_contract_that_is_none_is_rejected(row: Any) -> None:
    listing = answering(chain_body(row, listed())).fetch_listing(NIFTY)
    assert (len(listing.expiries), len(listing.rejected)) == (1, 1)


def test_recorded_contract_is_listed() -> None:
    [expiry] = answering(recorded("option_contract_doc")).fetch_listing(NIFTY).expiries
    assert (expiry.expiry.isoformat(), expiry.lot_size, expiry.is_weekly) == (
        "2024-02-15",
        50,
        True,
    )


def test_listing_without_an_expiry_raises() -> None:
    for rows in ([], [None]):
        with pytest.raises(PermanentError, match="lists no option"):
            answering(chain_body(*rows)).fetch_listing("NSE_INDEX|None")


# --- Held contracts ---------------------------------------------------------------------------
def held(price: float, right: Right, **changes: Any) -> Contract:
    values: dict[str, Any] = {"currency": "INR", "multiplier": 75, "expiry": EXPIRY}
    return option(price, underlying="NIFTY", right=right, **(values | changes))


def test_legs_of_an_expiry_come_out_of_its_one_chain() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["expiry_date"])
        uncomputed = side("NSE_FO|9", vega=0, theta=0, gamma=0, delta=1, iv=0)
        return httpx.Response(
            200, json=chain_body(strike(), strike(26100, call_options=uncomputed))
        )

    legs = [
        held(26000, Right.CALL),
        held(26100, Right.CALL),
        held(99000, Right.CALL),
        option(150),
        held(26000, Right.PUT, kind=InstrumentKind.FUTURE_OPTION),
    ]
    fetched = provider(handler).fetch_snapshots(legs)
    assert asked == ["2026-12-01"]
    assert [snapshot.contract for snapshot in fetched.items] == legs[:2]
    first, second = fetched.items
    assert first.quote is not None
    assert first.greeks is not None
    assert (str(first.quote.bid), str(first.quote.ask)) == ("120.0", "121.0")
    # Units of the underlying become contracts.
    assert (first.quote.volume, first.quote.open_interest) == (2000, 10_000)
    assert (first.greeks.delta, first.greeks.implied_volatility) == (0.51, 0.125)
    assert (first.greeks.underlying_price, second.greeks) == (26012.35, None)


def test_chain_that_is_refused_is_named_and_the_next_is_asked() -> None:
    source = answering(failure(400, "UDAPI100011"), chain_body(strike()))
    legs = [held(26000, Right.CALL, expiry=EXPIRY.replace(day=8)), held(26000, Right.CALL)]
    fetched = source.fetch_snapshots(legs)
    assert [snapshot.contract for snapshot in fetched.items] == legs[1:]
    assert list(fetched.left_out) == ["NIFTY"]
    with pytest.raises(RetryableError):
        answering(failure(500, "UDAPI100500")).fetch_snapshots(legs)
    assert answering(chain_body()).fetch_snapshots([option(150)]).items == ()


# --- Tokens -----------------------------------------------------------------------------------
def test_refused_token_is_renewed_once_and_the_call_repeated() -> None:
    token = ScriptedToken("old", "new")

    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer old":
            return failure(401, "UDAPI100050", "Invalid token used to access API")
        return httpx.Response(200, json=chain_body(strike()))

    source = provider(handler, token=token)
    assert len(source.fetch_chain(NIFTY, EXPIRY)) == 2
    assert (token.refused, source.calls) == (["old"], 2)


def test_token_that_stays_refused_raises_and_is_in_no_message() -> None:
    token = ScriptedToken("secret-one", "secret-two", "secret-three")
    source = provider(lambda _: failure(401, "UDAPI100050", "Invalid secret-two"), token=token)
    with pytest.raises(UnauthorisedError) as caught:
        source.fetch_chain(NIFTY, EXPIRY)
    assert "secret" not in str(caught.value)
    assert token.refused == ["secret-one"]


def test_calls_refused_together_renew_once() -> None:
    token = ScriptedToken("old", "new")
    together = Barrier(8)

    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer old":
            together.wait(10)
            return failure(401, "UDAPI100050")
        return httpx.Response(200, json=chain_body(strike()))

    source = provider(handler, token=token)
    with ThreadPoolExecutor(8) as threads:
        chains = list(threads.map(lambda _: source.fetch_chain(NIFTY, EXPIRY), range(8)))
    assert [len(chain) for chain in chains] == [2] * 8
    assert token.refused == ["old"]


# --- Limits, hours, refusals, outages ---------------------------------------------------------
def test_call_too_many_pauses_everybody() -> None:
    too_many = failure(429, "UDAPI10005", "Too Many Request Sent")
    source = answering(too_many, chain_body(strike()), timeout=0.5)
    for _ in range(2):
        with pytest.raises(RateLimitedError):
            source.fetch_chain(NIFTY, EXPIRY)
    assert source.calls == 1
    assert 4.0 < SharedPause(source.server).remaining() <= 5.0


@pytest.mark.parametrize(("limit", "seconds"), WINDOWS)
def test_each_window_is_kept_without_a_call(limit: int, seconds: float) -> None:
    source = answering(chain_body(strike()), timeout=0.05)
    window = CallBudget(f"{source.server}.{seconds:g}s", limit=limit, seconds=seconds)
    while not window.try_acquire():
        pass
    if seconds > 1:
        with pytest.raises(RateLimitedError, match=f"{limit} in {seconds:g} s"):
            source.fetch_chain(NIFTY, EXPIRY)
        assert source.calls == 0
    else:
        assert window.try_acquire() > 0


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["UDAPI100072", "UDAPI100074"])
def test_closed_vendor_says_until_when_and_is_not_asked_again(code: str, settings: Any) -> None:
    source = answering(failure(423, code), chain_body(strike()))
    for _ in range(2):
        with pytest.raises(ProviderClosed, match="closed from midnight until 05:30 IST") as caught:
            source.fetch_chain(NIFTY, EXPIRY)
        assert 0 < (caught.value.retry_after or 0) <= 24 * 3600
    assert source.calls == 1
    settings.UPSTOX_ANALYTICS_TOKEN = "a-token"
    settings.UPSTOX_URL = f"https://{source.server.partition('@')[2]}"
    check = run_checks().checks["provider.upstox"]
    assert (check.status, check.detail) == ("ok", "Closed until 05:30 IST.")


@pytest.mark.parametrize(
    ("at", "hours"),
    [
        (datetime(2026, 11, 26, 18, 30, tzinfo=UTC), 5.5),
        (datetime(2026, 11, 26, 23, 30, tzinfo=UTC), 0.5),
        (datetime(2026, 11, 27, 0, 0, tzinfo=UTC), 24.0),
        (datetime(2026, 11, 27, 12, 0, tzinfo=UTC), 12.0),
    ],
)
def test_vendor_opens_at_half_past_five_in_india(at: datetime, hours: float) -> None:
    assert seconds_until_open(at) == hours * 3600


@pytest.mark.django_db
@pytest.mark.parametrize("response", [failure(403, "X"), failure(401, "UDAPI100067")])
def test_forbidden_call_is_not_made_again_and_health_says_so(
    response: httpx.Response, settings: Any
) -> None:
    source = answering(response)
    for _ in range(2):
        with pytest.raises(ForbiddenError):
            source.fetch_chain(NIFTY, EXPIRY)
    assert source.calls == 1
    settings.UPSTOX_ANALYTICS_TOKEN = "a-token"
    settings.UPSTOX_URL = f"https://{source.server.partition('@')[2]}"
    check = run_checks().checks["provider.upstox"]
    assert (check.status, check.detail) == ("degraded", "It forbids what the desk asks for.")


def test_unknown_key_is_refused_for_good_with_the_vendors_words() -> None:
    source = answering(failure(400, "UDAPI100011", "Invalid Instrument key"))
    with pytest.raises(PermanentError, match="400 Invalid Instrument key"):
        source.fetch_chain("NSE_INDEX|None", EXPIRY)
    assert source.calls == 1


def test_vendor_that_fails_once_is_asked_again() -> None:
    source = answering(failure(502, "X"), chain_body(strike()))
    assert len(source.fetch_chain(NIFTY, EXPIRY)) == 2
    assert source.calls == 2


@pytest.mark.django_db
def test_vendor_that_is_down_is_retryable_and_the_breaker_opens(settings: Any) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("slow")

    source = provider(handler)
    for _ in range(3):
        with pytest.raises(RetryableError):
            source.fetch_chain(NIFTY, EXPIRY)
    settings.UPSTOX_ANALYTICS_TOKEN = "a-token"
    settings.UPSTOX_URL = f"https://{source.server.partition('@')[2]}"
    check = run_checks().checks["provider.upstox"]
    assert (check.status, check.detail) == ("degraded", "Calls are paused after failures in a row.")


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<html>Sign in</html>"),
        httpx.Response(200, text='{"status":"success","data":[{"expi'),
        httpx.Response(200, json=chain_body()),
        httpx.Response(200, json={"status": "error", "errors": [{"errorCode": "X"}]}),
        httpx.Response(204),
    ],
)
def test_answer_that_is_none_raises_and_is_not_asked_for_again(response: httpx.Response) -> None:
    source = answering(response)
    with pytest.raises(MalformedResponse):
        source.fetch_chain(NIFTY, EXPIRY)
    assert source.calls == 1


@pytest.mark.django_db
# --- Registered -------------------------------------------------------------------------------
def test_upstox_is_a_provider_where_a_token_can_be_had(settings: Any) -> None:
    settings.UPSTOX_ANALYTICS_TOKEN = settings.UPSTOX_API_KEY = settings.UPSTOX_API_SECRET = ""
    assert "upstox" not in (*configured_chain_providers(), *configured_providers())
    with pytest.raises(InvalidInput, match="provider: 'upstox' is not set up here"):
        open_chain_provider("upstox")
    assert run_checks().checks["provider.upstox"].detail == "Not set up."
    settings.UPSTOX_API_KEY, settings.UPSTOX_API_SECRET = "key", "secret"
    assert "upstox" in configured_chain_providers()
    opened = open_chain_provider("upstox")
    assert opened.source == "upstox"
    opened.close()


@pytest.mark.django_db
def test_analytics_token_of_the_settings_opens_the_simulated_vendor(
    sandbox: Sandbox, settings: Any
) -> None:
    settings.UPSTOX_URL = sandbox.url("upstox")
    settings.UPSTOX_ANALYTICS_TOKEN = ANALYTICS_TOKEN
    source = open_chain_provider("upstox")
    [nearest, *_] = source.fetch_listing(NIFTY).expiries
    chain = source.fetch_chain(NIFTY, nearest.expiry)
    assert len(chain) == len(sandbox.market.chain("NIFTY", nearest.expiry))
    source.close()
