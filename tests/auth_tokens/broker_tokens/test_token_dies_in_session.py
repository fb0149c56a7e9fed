"""Fifty calls are refused at once in the session: one log-in by browser, and no call is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from auth_tokens.broker_tokens.manager import ProviderToken, get_token
from auth_tokens.models import TokenEvent
from config.core.http.caller import HttpCaller
from tests.auth_tokens.upstox_site import UpstoxSite

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_fifty_parallel_refusals_make_one_log_in_and_every_call_is_answered(
    upstox: UpstoxSite,
) -> None:
    get_token("upstox")
    upstox.access.end_all_tokens()
    held = ProviderToken("upstox")
    caller = HttpCaller(
        "upstox", upstox.url, timeout=10, authorise=held.authorise, renew=held.renew
    )
    together = threading.Barrier(50)

    def call(_: int) -> Any:
        together.wait(10)
        try:
            return caller.request_json("GET", "/v2/user/profile")["status"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(call, range(50)))
    caller.close()

    assert answers == ["success"] * 50
    assert upstox.access.log_ins == 2
    assert TokenEvent.objects.filter(event="log_in.started").count() == 2
    assert upstox.access.person.codes_typed == upstox.access.person.pins_typed == 2
