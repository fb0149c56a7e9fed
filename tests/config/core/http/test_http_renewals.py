"""A 401 renews the token once, for all who wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from config.core.errors import (
    RetryableError,
    UnauthorisedError,
)
from config.core.http.caller import HttpCaller
from tests.config.core.http.conftest import MakeCaller
from tests.config.core.servers import Reply, ScriptedProvider, Seen

pytestmark = pytest.mark.usefixtures("own_valkey")


class Session:
    """A token that the provider accepts after one renewal."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self.token, self.renewals = "old", 0
        provider.answer = self._answer

    def authorise(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> None:
        self.renewals += 1
        time.sleep(0.02)
        self.token = "new"

    @staticmethod
    def _answer(seen: Seen) -> Reply:
        accepted = seen.headers.get("authorization") == "Bearer new"
        return Reply.of({"ok": True}) if accepted else Reply(401)


def test_fifty_parallel_callers_renew_once(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    session = Session(provider)
    caller = make_caller(timeout=5.0, authorise=session.authorise, renew=session.renew)
    together = threading.Barrier(50)

    def call(_: int) -> Any:
        together.wait(10)
        return caller.request_json("GET", "/book")

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(call, range(50))) == [{"ok": True}] * 50
    assert session.renewals == 1


def test_failed_renewal_is_shared_and_not_repeated_by_each_caller(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    renewals: list[int] = []

    def renew() -> None:
        renewals.append(1)
        time.sleep(0.05)
        raise UnauthorisedError("log-in refused", provider="broker")

    caller = make_caller(timeout=5.0, renew=renew)
    together = threading.Barrier(20)

    def call(_: int) -> str:
        together.wait(10)
        with pytest.raises(UnauthorisedError) as refused:
            caller.request_json("GET", "/book")
        return refused.value.message

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(call, range(20))) == {"log-in refused"}
    assert len(renewals) == 1


def test_later_call_renews_again_after_a_failed_renewal(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    session = Session(provider)
    outcomes: list[Exception | None] = [RetryableError("down", provider="broker"), None]

    def renew() -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error
        session.renew()

    caller = make_caller(authorise=session.authorise, renew=renew, attempts=1)
    with pytest.raises(RetryableError):
        caller.request_json("GET", "/book")
    assert caller.request_json("GET", "/book") == {"ok": True}


def test_second_401_after_a_renewal_is_unauthorised(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    renewals: list[int] = []
    with pytest.raises(UnauthorisedError):
        make_caller(renew=lambda: renewals.append(1)).request_json("GET", "/book")
    assert len(provider.seen) == 2
    assert len(renewals) == 1


def test_renewal_may_use_the_caller_itself(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    callers: list[HttpCaller] = []
    callers.append(make_caller(renew=lambda: callers[0].request_json("POST", "/login")))
    with pytest.raises(UnauthorisedError, match="POST /login"):
        callers[0].request_json("GET", "/book")
    assert [seen.path for seen in provider.seen] == ["/book", "/login"]


def test_401_without_a_way_to_renew_is_unauthorised(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(401))
    with pytest.raises(UnauthorisedError):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1
