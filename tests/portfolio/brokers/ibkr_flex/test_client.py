"""The Flex Web Service: waits, throttling, refusals, and where the token may go (rule 11)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from auth_tokens.broker_tokens.errors import CredentialsRefused
from auth_tokens.broker_tokens.states import TokenState, token_states
from auth_tokens.models import BrokerToken
from config.core.errors import (
    MalformedResponse,
    PermanentError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.sandbox.server import Sandbox
from greeks.alerts.system_events import report_ending_tokens
from greeks.models import AlertEvent
from portfolio.brokers.ibkr_flex import client
from portfolio.brokers.ibkr_flex.client import FlexClient
from portfolio.sandbox.ibkr_flex.server import EXPIRED_TOKEN, QUERY_ID, TOKEN
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
DAYS = (date(2026, 8, 1), date(2026, 10, 30))


@pytest.fixture
def desk(sandbox: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    settings.IBKR_FLEX_URL = sandbox.url("ibkr_flex")
    settings.IBKR_FLEX_TOKEN = TOKEN
    settings.IBKR_FLEX_QUERY_ID = QUERY_ID
    monkeypatch.setattr(client, "WINDOWS", ())
    return sandbox


def opened(sandbox: Sandbox, pauses: list[float], query_id: str = QUERY_ID) -> FlexClient:
    return FlexClient(url=sandbox.url("ibkr_flex"), query_id=query_id, pause=pauses.append)


def fetch(sandbox: Sandbox, *, patience: float = 300.0, query_id: str = QUERY_ID) -> list[float]:
    pauses: list[float] = []
    flex = opened(sandbox, pauses, query_id)
    try:
        assert flex.fetch_statement(*DAYS, patience=patience).startswith(b"<FlexQueryResponse")
    finally:
        flex.close()
    return pauses


def test_statement_in_progress_is_asked_for_again_after_growing_pauses(desk: Sandbox) -> None:
    assert fetch(desk) == [1.0, 2.0]


def test_statement_that_is_not_ready_in_time_is_tried_later(desk: Sandbox) -> None:
    with pytest.raises(RetryableError, match="1019"):
        fetch(desk, patience=0.5)


def answer(code: str) -> str:
    return (
        "<FlexStatementResponse timestamp='now'><Status>Fail</Status>"
        f"<ErrorCode>{code}</ErrorCode><ErrorMessage>token {TOKEN}</ErrorMessage>"
        "</FlexStatementResponse>"
    )


def answers(sandbox: Sandbox, path: str, body: str, *, times: int = 1) -> None:
    sandbox.faults.add(server="ibkr_flex", path=path, status=200, body=body, times=times)


def test_heavy_load_and_throttling_are_waited_for(desk: Sandbox) -> None:
    answers(desk, "SendRequest$", answer("1018"))
    answers(desk, "GetStatement$", answer("1009"))
    assert fetch(desk) == [10.0, 2.0, 4.0, 8.0]


def test_throttling_that_lasts_is_told_with_a_wait(desk: Sandbox) -> None:
    answers(desk, "SendRequest$", answer("1018"))
    with pytest.raises(RateLimitedError) as raised:
        fetch(desk, patience=5.0)
    assert raised.value.retry_after == 60.0
    assert TOKEN not in raised.value.message


def test_wrong_query_says_what_to_change(desk: Sandbox) -> None:
    with pytest.raises(PermanentError, match="Check IBKR_FLEX_QUERY_ID"):
        fetch(desk, query_id="1")


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/GetStatement",
        "https://interactivebrokers.com.example.org/GetStatement",
        "http://gdcdyn.interactivebrokers.com/GetStatement",
        "https://user@example.org/interactivebrokers.com",
        "//example.org/GetStatement",
        "",
    ],
)
def test_token_goes_to_no_other_host(desk: Sandbox, address: str) -> None:
    body = (
        "<FlexStatementResponse><Status>Success</Status><ReferenceCode>7</ReferenceCode>"
        f"<Url>{address}</Url></FlexStatementResponse>"
    )
    answers(desk, "SendRequest$", body)
    with pytest.raises(MalformedResponse, match="not IBKR's"):
        fetch(desk)


@pytest.mark.parametrize(
    "body", ["<html><body>Maintenance</body></html>", "Bad gateway", "", "<!DOCTYPE x><x/>"]
)
def test_answer_that_is_neither_is_malformed(desk: Sandbox, body: str) -> None:
    answers(desk, "SendRequest$", body)
    with pytest.raises(MalformedResponse):
        fetch(desk)


@pytest.mark.parametrize(("token", "code"), [("wrong-token", "1015"), (EXPIRED_TOKEN, "1012")])
def test_refused_token_stops_until_it_is_replaced(
    desk: Sandbox, settings: Any, token: str, code: str
) -> None:
    settings.IBKR_FLEX_TOKEN = token
    with pytest.raises(CredentialsRefused):
        fetch(desk)
    asked = len(desk.faults.requests(server="ibkr_flex"))
    with pytest.raises(UnauthorisedError):
        fetch(desk)
    assert len(desk.faults.requests(server="ibkr_flex")) == asked
    settings.IBKR_FLEX_TOKEN = TOKEN
    fetch(desk)


def flex_state() -> TokenState:
    return next(state for state in token_states() if state.provider == "ibkr_flex")


def test_token_is_stored_encrypted_with_its_end(desk: Sandbox, settings: Any) -> None:
    settings.IBKR_FLEX_TOKEN_EXPIRES = "2099-03-01"
    fetch(desk)
    assert TOKEN not in BrokerToken.objects.get(provider="ibkr_flex").ciphertext
    assert flex_state().expires_at == datetime(2099, 3, 1, tzinfo=UTC)


def test_token_without_a_known_end_lives_a_year_at_most(desk: Sandbox) -> None:
    fetch(desk)
    ends_at = flex_state().expires_at
    assert ends_at is not None
    assert ends_at <= datetime.now(UTC) + timedelta(days=365)


def test_token_past_its_end_is_not_sent(desk: Sandbox, settings: Any) -> None:
    settings.IBKR_FLEX_TOKEN_EXPIRES = "2020-01-01"
    with pytest.raises(CredentialsRefused, match="make a new one"):
        fetch(desk)
    assert not desk.faults.requests(server="ibkr_flex")


def test_staff_is_warned_30_7_and_1_days_before_the_end(desk: Sandbox, settings: Any) -> None:
    UserFactory.create(is_staff=True)
    settings.IBKR_FLEX_TOKEN_EXPIRES = "2099-03-31"
    fetch(desk)
    for day, number in ((1, 1), (2, 1), (23, 1), (24, 2), (25, 2), (30, 3)):
        # Twice a day: each warning is sent once.
        for hour in (0, 12):
            with time_machine.travel(datetime(2099, 3, day, hour, 30, tzinfo=UTC), tick=False):
                report_ending_tokens("ibkr_flex")
        assert AlertEvent.objects.count() == number, day
