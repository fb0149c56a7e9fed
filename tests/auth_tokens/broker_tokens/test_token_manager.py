"""Tokens: present, renewed, refused, limited. The source is scripted; the database is real."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.db import DatabaseError, connection, connections

from auth_tokens.broker_tokens import crypto
from auth_tokens.broker_tokens.claims import claim_renewal
from auth_tokens.broker_tokens.errors import (
    CredentialsRefused,
    LogInTimedOut,
    NotConfigured,
    PageChanged,
    TokenError,
    TriesUsedUp,
    UnknownTokenProvider,
)
from auth_tokens.broker_tokens.manager import (
    ProviderToken,
    ensure_valid,
    get_token,
    refresh_token,
    renew_token,
)
from auth_tokens.broker_tokens.sources import Attempt, TryLimit
from auth_tokens.models import BrokerToken, TokenEvent
from auth_tokens.signals import token_failed
from config.core.errors import ProviderClosed, RetryableError, UnauthorisedError
from config.core.redaction import redact_text
from config.core.redis.process_copies import forget_process_copies
from tests.auth_tokens.sources import PROVIDER, ScriptedSource
from tests.servers.valkey import RunningValkey

pytestmark = pytest.mark.django_db(transaction=True)


def row() -> BrokerToken:
    return BrokerToken.objects.get(provider=PROVIDER)


def events() -> list[str]:
    return list(TokenEvent.objects.order_by("id").values_list("event", flat=True))


def take_a_moment(attempt: Attempt) -> None:
    threading.Event().wait(0.2)


def together(count: int, work: Callable[[], Any]) -> list[Any]:
    """What each of so many threads got, or the error it got, all started at once."""
    barrier = threading.Barrier(count)
    got: list[Any] = []

    def run() -> None:
        barrier.wait()
        try:
            got.append(work())
        except Exception as error:  # noqa: BLE001 - the test looks at what came
            got.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


def test_token_is_obtained_once_and_kept_encrypted(source: ScriptedSource) -> None:
    assert [get_token(PROVIDER) for _ in range(3)] == ["token-1"] * 3

    assert source.obtained == 1
    assert "token-1" not in row().ciphertext
    assert crypto.decrypt(row().ciphertext, provider=PROVIDER) == "token-1"
    assert events() == ["log_in.started", "token.renewed"]
    assert redact_text("sent token-1 there") == "sent [redacted] there"


def test_kept_token_costs_no_query(
    source: ScriptedSource, django_assert_num_queries: Any, valkey: RunningValkey
) -> None:
    get_token(PROVIDER)
    with django_assert_num_queries(0):
        get_token(PROVIDER)


def test_other_process_reads_the_stored_token(source: ScriptedSource) -> None:
    get_token(PROVIDER)
    forget_process_copies()

    assert get_token(PROVIDER) == "token-1"
    assert source.obtained == 1


def test_token_renewed_elsewhere_is_seen_at_once(source: ScriptedSource) -> None:
    get_token(PROVIDER)
    # What the renewal of another process leaves: a new version, announced.
    BrokerToken.objects.update(ciphertext=crypto.encrypt("elsewhere", provider=PROVIDER), version=2)
    from auth_tokens.broker_tokens.copies import announce_version

    announce_version(PROVIDER, 2)

    assert get_token(PROVIDER) == "elsewhere"


def test_token_that_ended_is_replaced(source: ScriptedSource) -> None:
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        get_token(PROVIDER)
        clock.shift(timedelta(hours=1))
        assert get_token(PROVIDER) == "token-2"


def test_refused_token_is_replaced_and_a_newer_one_is_only_handed_out(
    source: ScriptedSource,
) -> None:
    first = get_token(PROVIDER)

    assert renew_token(PROVIDER, refused=first) == "token-2"
    assert renew_token(PROVIDER, refused=first) == "token-2"
    assert source.refused == ["", "token-1"]


def test_fifty_refused_at_once_make_one_renewal(source: ScriptedSource) -> None:
    first = get_token(PROVIDER)
    source.meanwhile = take_a_moment

    got = together(50, lambda: renew_token(PROVIDER, refused=first))

    assert got == ["token-2"] * 50
    assert source.obtained == 2


def test_fifty_share_one_failure(source: ScriptedSource) -> None:
    source.error = LogInTimedOut("too slow", provider=PROVIDER)
    source.meanwhile = take_a_moment

    got = together(50, lambda: get_token(PROVIDER))

    assert {type(error) for error in got} == {LogInTimedOut}
    assert source.obtained == 1


def test_failure_is_not_repeated_before_its_pause_which_doubles(source: ScriptedSource) -> None:
    source.error = RetryableError("no answer", provider=PROVIDER)
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        tried_at = []
        for _ in range(60):
            before = source.obtained
            with pytest.raises(RetryableError, match="no answer"):
                get_token(PROVIDER)
            if source.obtained > before:
                tried_at.append(datetime.now(UTC).minute)
            clock.shift(timedelta(seconds=15))
    assert tried_at == [0, 1, 3, 7]


def test_token_that_still_opens_is_used_while_its_early_renewal_fails(
    source: ScriptedSource,
) -> None:
    get_token(PROVIDER)
    source.due, source.error = True, LogInTimedOut("too slow", provider=PROVIDER)

    with pytest.raises(LogInTimedOut):
        ensure_valid(PROVIDER)

    assert get_token(PROVIDER) == "token-1"
    assert row().status == "failing"


def test_refused_token_is_not_used_again_when_its_renewal_fails(source: ScriptedSource) -> None:
    first = get_token(PROVIDER)
    source.error = LogInTimedOut("too slow", provider=PROVIDER)

    with pytest.raises(LogInTimedOut):
        renew_token(PROVIDER, refused=first)
    with pytest.raises(LogInTimedOut):
        get_token(PROVIDER)

    assert row().ciphertext == ""
    assert source.obtained == 2


def test_refused_credentials_stop_until_they_change(source: ScriptedSource) -> None:
    source.error = CredentialsRefused("wrong PIN", provider=PROVIDER)
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        for _ in range(5):
            with pytest.raises(CredentialsRefused, match="wrong PIN"):
                get_token(PROVIDER)
            clock.shift(timedelta(days=1))
        with pytest.raises(CredentialsRefused):
            refresh_token(PROVIDER)
        assert source.obtained == 1

        source.error, source.secret = None, "of-tomorrow"
        assert get_token(PROVIDER) == "token-2"


def test_refused_credentials_are_tried_again_after_a_reset(source: ScriptedSource) -> None:
    source.error = CredentialsRefused("locked", provider=PROVIDER)
    with pytest.raises(CredentialsRefused):
        get_token(PROVIDER)
    source.error = None

    refresh_token(PROVIDER, reset=True)

    assert get_token(PROVIDER) == "token-2"
    assert "token.reset" in events()


def test_changed_page_stops_after_three_in_a_row(source: ScriptedSource) -> None:
    source.error = PageChanged("no element", provider=PROVIDER)
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        for status in ("failing", "failing", "stopped", "stopped"):
            with pytest.raises(PageChanged):
                get_token(PROVIDER)
            assert row().status == status
            clock.shift(timedelta(hours=1))
    assert source.obtained == 3


def test_log_ins_of_a_window_are_limited_also_when_they_succeed(source: ScriptedSource) -> None:
    source.limits = (TryLimit(3, 900.0),)
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        token = get_token(PROVIDER)
        for _ in range(2):
            token = renew_token(PROVIDER, refused=token)
        with pytest.raises(TriesUsedUp, match="2026-11-27 06:15"):
            renew_token(PROVIDER, refused=token)
        assert source.obtained == 3
        clock.shift(timedelta(minutes=15, seconds=1))
        assert renew_token(PROVIDER, refused=token) == "token-4"


def test_token_of_other_credentials_is_not_used(source: ScriptedSource) -> None:
    get_token(PROVIDER)
    source.secret = "of-tomorrow"

    assert get_token(PROVIDER) == "token-2"


def test_lost_key_means_a_new_token(source: ScriptedSource, settings: Any) -> None:
    get_token(PROVIDER)
    forget_process_copies()
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    assert get_token(PROVIDER) == "token-2"


def test_claim_of_a_dead_process_runs_out(source: ScriptedSource) -> None:
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        claimed = BrokerToken.objects.create(provider=PROVIDER)
        assert claim_renewal(row=claimed, credentials="") is not None
        assert claim_renewal(row=row(), credentials="") is None
        clock.shift(timedelta(seconds=46))
        assert get_token(PROVIDER) == "token-1"


def test_claim_on_what_was_renewed_meanwhile_is_refused(source: ScriptedSource) -> None:
    looked_at = BrokerToken.objects.create(provider=PROVIDER)
    get_token(PROVIDER)

    assert claim_renewal(row=looked_at, credentials="") is None


def test_process_that_lost_its_claim_stores_nothing(source: ScriptedSource) -> None:
    def lose(attempt: Attempt) -> None:
        BrokerToken.objects.update(renewing_by="another's")

    source.meanwhile = lose
    with pytest.raises(TokenError):
        get_token(PROVIDER)
    assert row().ciphertext == ""


def test_process_that_is_stopped_gives_its_claim_back(source: ScriptedSource) -> None:
    def stop(attempt: Attempt) -> None:
        raise SystemExit

    source.meanwhile = stop
    with pytest.raises(SystemExit):
        get_token(PROVIDER)
    assert row().renewing_until is None


def test_source_that_breaks_leaves_no_claim_and_an_error(source: ScriptedSource) -> None:
    def break_down(attempt: Attempt) -> None:
        raise ZeroDivisionError

    source.meanwhile = break_down
    with pytest.raises(TokenError, match="ZeroDivisionError"):
        get_token(PROVIDER)
    assert (row().status, row().renewing_until) == ("failing", None)


def test_closed_provider_is_not_tried_and_nothing_is_wrong(source: ScriptedSource) -> None:
    source.closed = datetime.now(UTC) + timedelta(hours=2)

    with pytest.raises(ProviderClosed) as raised:
        get_token(PROVIDER)

    assert raised.value.retry_after == pytest.approx(7200, abs=60)
    assert events() == []


def test_provider_without_credentials_is_not_tried(source: ScriptedSource) -> None:
    source.configured = False
    with pytest.raises(NotConfigured):
        get_token(PROVIDER)
    with pytest.raises(UnknownTokenProvider, match=r"known: .*scripted"):
        get_token("nobody")
    assert source.obtained == 0


def test_others_are_told_of_a_failure(source: ScriptedSource) -> None:
    heard: list[dict[str, Any]] = []

    def hear(**told: Any) -> None:
        heard.append({name: told[name] for name in told if name not in ("signal", "sender")})

    token_failed.connect(hear)
    try:
        get_token(PROVIDER)
        source.error = CredentialsRefused("wrong PIN", provider=PROVIDER)
        with pytest.raises(CredentialsRefused):
            refresh_token(PROVIDER)
    finally:
        token_failed.disconnect(hear)

    assert heard == [
        {
            "provider": PROVIDER,
            "code": "token_credentials_refused",
            "message": "wrong PIN",
            "stopped": True,
        }
    ]


def test_database_that_is_away_costs_no_token_that_is_held(
    source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_token(PROVIDER)

    def away(*_: Any) -> None:
        raise DatabaseError("away")

    with connection.execute_wrapper(away):
        assert get_token(PROVIDER) == "token-1"
        forget_process_copies()
        with pytest.raises(TokenError, match="cannot be read"):
            get_token(PROVIDER)


def test_without_redis_the_database_says_what_is_present(
    source: ScriptedSource, settings: Any
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=0"
    get_token(PROVIDER)
    assert get_token(PROVIDER) == "token-1"

    got = together(8, lambda: renew_token(PROVIDER, refused="token-1"))

    assert got == ["token-2"] * 8
    assert source.obtained == 2


def test_refused_call_renews_once_and_an_error_of_ours_not_at_all(source: ScriptedSource) -> None:
    held = ProviderToken(PROVIDER)
    assert held.authorise() == {"Authorization": "Bearer token-1"}
    held.renew()
    assert held.authorise() == {"Authorization": "Bearer token-2"}

    source.configured, source.secret = False, "gone"
    with pytest.raises(UnauthorisedError):
        held.authorise()
    with pytest.raises(UnauthorisedError):
        held.renew()
    assert source.obtained == 2
