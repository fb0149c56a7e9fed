"""Tastytrade's token and the gateway's session in the token manager: one for all processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from auth_tokens.broker_tokens.errors import NotConfigured
from auth_tokens.broker_tokens.manager import ensure_valid, get_token, refresh_token
from auth_tokens.broker_tokens.states import token_states
from auth_tokens.models import BrokerToken
from config.core.errors import ProviderError, UnauthorisedError
from config.core.redis.process_copies import forget_process_copies
from config.core.sandbox.server import Sandbox
from portfolio.brokers.ibkr_portal.gateway import reopen_for_all
from portfolio.brokers.tastytrade.adapter import open_tastytrade

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def desk(sandbox: Sandbox, settings: Any) -> Sandbox:
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    settings.TASTYTRADE_CLIENT_SECRET = "simulated-client-secret"
    settings.TASTYTRADE_REFRESH_TOKEN = "simulated-refresh-token"
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    return sandbox


def another_process() -> None:
    """What this process knows of tokens is forgotten; the database remembers."""
    forget_process_copies()


def log_ins(sandbox: Sandbox) -> int:
    return len(sandbox.faults.requests(server="tastytrade", path="^/oauth/token$"))


def openings(sandbox: Sandbox) -> int:
    return len(sandbox.faults.requests(server="ibkr_portal", path="/ssodh/init$"))


def state(provider: str) -> str:
    return next(each.status for each in token_states() if each.provider == provider)


def test_processes_share_one_log_in_at_tastytrade(desk: Sandbox) -> None:
    for _ in range(3):
        opened = open_tastytrade()
        assert opened.fetch_accounts().items
        opened.close()
        another_process()

    assert log_ins(desk) == 1
    assert state("tastytrade") == "valid"


def test_refused_token_is_renewed_and_the_call_answered(desk: Sandbox) -> None:
    opened = open_tastytrade()
    opened.fetch_accounts()
    desk.applications["tastytrade"].state.log_ins.forget()

    assert opened.fetch_accounts().items
    opened.close()

    assert log_ins(desk) == 2
    row = BrokerToken.objects.get(provider="tastytrade")
    assert (row.source, row.version, row.status) == ("oauth", 2, "valid")


def test_fifty_callers_with_an_expired_token_and_one_renewal(desk: Sandbox) -> None:
    opened = open_tastytrade()
    opened.fetch_accounts()
    desk.applications["tastytrade"].state.log_ins.forget()

    def fetch(_: int) -> int:
        try:
            return len(opened.fetch_accounts().items)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as threads:
        assert list(threads.map(fetch, range(50))) == [1] * 50
    opened.close()

    assert log_ins(desk) == 2


def test_token_refused_for_ever_and_the_call_ends_after_one_renewal(desk: Sandbox) -> None:
    desk.faults.add(
        server="tastytrade", path="^/customers", times=None, status=401, body={"error": {}}
    )
    opened = open_tastytrade()
    with pytest.raises(UnauthorisedError):
        opened.fetch_accounts()
    opened.close()

    assert log_ins(desk) == 2
    assert len(desk.faults.requests(server="tastytrade", path="^/customers")) == 2


def test_refused_log_in_and_the_renewal_of_the_same_call_does_not_try_again(
    desk: Sandbox, settings: Any
) -> None:
    settings.TASTYTRADE_REFRESH_TOKEN = "of-somebody-else"
    opened = open_tastytrade()
    with pytest.raises(UnauthorisedError):
        opened.fetch_accounts()
    opened.close()

    assert log_ins(desk) == 1


def test_tastytrade_without_credentials_is_not_asked(desk: Sandbox, settings: Any) -> None:
    settings.TASTYTRADE_REFRESH_TOKEN = ""

    with pytest.raises(NotConfigured):
        get_token("tastytrade")

    assert (log_ins(desk), state("tastytrade")) == (0, "not_configured")


def test_refused_credentials_of_tastytrade_are_not_repeated_at_once(
    desk: Sandbox, settings: Any
) -> None:
    settings.TASTYTRADE_REFRESH_TOKEN = "of-somebody-else"

    for _ in range(4):
        with pytest.raises(UnauthorisedError, match="refused the log-in"):
            get_token("tastytrade")

    assert (log_ins(desk), state("tastytrade")) == (1, "failing")


def test_gateways_session_is_opened_through_the_manager(desk: Sandbox) -> None:
    reopen_for_all()
    first = openings(desk)
    assert first == 1
    assert state("ibkr_portal") == "valid"
    assert ensure_valid("ibkr_portal") is False

    refresh_token("ibkr_portal")

    assert openings(desk) == 2
    assert BrokerToken.objects.get(provider="ibkr_portal").version == 2


def test_gateway_that_does_not_answer_is_said_and_looked_for_soon(
    desk: Sandbox, settings: Any
) -> None:
    settings.IBKR_PORTAL_URL = "http://127.0.0.1:9/v1/api"

    with pytest.raises(ProviderError):
        reopen_for_all()

    row = BrokerToken.objects.get(provider="ibkr_portal")
    assert row.status == "failing"
    assert row.next_try_at is not None
    assert row.tried_at is not None
    assert (row.next_try_at - row.tried_at).total_seconds() <= 15.1
