"""``refresh_token`` and ``rotate_token_keys``, the tokens' state, health and admin."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client

from auth_tokens.broker_tokens.errors import CredentialsRefused
from auth_tokens.broker_tokens.manager import get_token
from auth_tokens.broker_tokens.states import TokenState, check_tokens, token_states
from auth_tokens.models import AuditEvent, BrokerToken, TokenEvent, User
from config.core.redis.process_copies import forget_process_copies
from tests.auth_tokens.sources import PROVIDER, ScriptedSource

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    said = StringIO()
    call_command(*arguments, stdout=said)
    return said.getvalue()


def state() -> TokenState:
    return next(each for each in token_states() if each.provider == PROVIDER)


def test_refresh_replaces_a_token_that_still_opens(source: ScriptedSource) -> None:
    get_token(PROVIDER)

    said = run("refresh_token", PROVIDER)

    assert "a new token (scripted), valid until" in said
    assert "token-2" not in said
    assert get_token(PROVIDER) == "token-2"


def test_refresh_says_in_json_what_is_there_and_fails_with_the_reason(
    source: ScriptedSource,
) -> None:
    told = json.loads(run("refresh_token", PROVIDER, "--json"))
    assert (told["provider"], told["status"], told["error"]) == (PROVIDER, "valid", None)

    source.error = CredentialsRefused("The PIN is wrong.", provider=PROVIDER)
    said = StringIO()
    with pytest.raises(CommandError, match=r"The PIN is wrong\."):
        call_command("refresh_token", PROVIDER, "--json", stdout=said)
    told = json.loads(said.getvalue())
    assert (told["status"], told["error"]) == ("stopped", "The PIN is wrong.")

    source.error = None
    with pytest.raises(CommandError):
        run("refresh_token", PROVIDER)
    assert "a new token" in run("refresh_token", PROVIDER, "--reset")


def test_rotation_leaves_every_token_readable_by_the_new_key_alone(
    source: ScriptedSource, settings: Any
) -> None:
    old, new = settings.TOKEN_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    get_token(PROVIDER)
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]

    assert f"rotated: {PROVIDER}" in run("rotate_token_keys")
    once = BrokerToken.objects.get().ciphertext
    assert json.loads(run("rotate_token_keys", "--json"))["unchanged"] == [PROVIDER]

    assert BrokerToken.objects.get().ciphertext == once
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    forget_process_copies()
    assert get_token(PROVIDER) == "token-1"
    assert source.obtained == 1
    assert AuditEvent.objects.filter(event="token_keys.rotated").count() == 1


def test_rotation_names_tokens_that_no_key_opens(source: ScriptedSource, settings: Any) -> None:
    get_token(PROVIDER)
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(CommandError, match=PROVIDER):
        run("rotate_token_keys")


def test_state_tells_each_step_and_never_the_token(source: ScriptedSource) -> None:
    with time_machine.travel(datetime(2026, 11, 27, 6, tzinfo=UTC), tick=False) as clock:
        assert (state().status, state().opens) == ("missing", False)
        get_token(PROVIDER)
        assert (state().status, state().opens, state().source) == ("valid", True, "scripted")
        assert state().expires_at == datetime(2026, 11, 27, 7, tzinfo=UTC)
        assert "token-1" not in repr(token_states())
        clock.shift(timedelta(hours=2))
        assert (state().status, state().opens) == ("expired", False)
        source.error = CredentialsRefused("wrong", provider=PROVIDER)
        with pytest.raises(CredentialsRefused):
            get_token(PROVIDER)
        assert (state().status, state().last_error) == ("stopped", "wrong")
        source.secret = "of-tomorrow"
        assert (state().status, state().last_error) == ("missing", "")
        source.configured = False
        assert state().status == "not_configured"


def test_state_of_all_providers_takes_one_query(
    source: ScriptedSource, django_assert_num_queries: Any
) -> None:
    get_token(PROVIDER)
    with django_assert_num_queries(1):
        assert len(token_states()) >= 2


def test_health_is_degraded_by_a_token_that_stopped(source: ScriptedSource) -> None:
    get_token(PROVIDER)
    assert check_tokens().status == "ok"

    BrokerToken.objects.update(status="stopped")
    assert (check_tokens().status, check_tokens().detail) == ("degraded", f"{PROVIDER}: stopped")


def test_admin_shows_tokens_without_their_values_and_changes_nothing(
    source: ScriptedSource, client: Client
) -> None:
    get_token(PROVIDER)
    client.force_login(User.objects.create_superuser("admin", password="x"))
    row = BrokerToken.objects.get()
    pages = [
        "/admin/auth_tokens/brokertoken/",
        f"/admin/auth_tokens/brokertoken/{row.pk}/change/",
        "/admin/auth_tokens/tokenevent/",
        f"/admin/auth_tokens/tokenevent/{TokenEvent.objects.latest('id').pk}/change/",
    ]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        assert PROVIDER in text
        for secret in ("token-1", row.ciphertext, row.credentials):
            assert secret not in text
    assert client.post(pages[1], {"status": "valid"}).status_code == 403
    assert client.get("/admin/auth_tokens/brokertoken/add/").status_code == 403
