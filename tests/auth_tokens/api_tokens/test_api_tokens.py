"""Personal API tokens: shown once, scoped, refused for good reasons, never kept as text."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.api_tokens.authentication import record_use
from auth_tokens.api_tokens.permissions import HasScope
from auth_tokens.api_tokens.reading import active_api_tokens, api_token_by_text
from auth_tokens.api_tokens.writing import (
    MAXIMUM_ACTIVE_TOKENS,
    IssuedToken,
    create_api_token,
    revoke_api_token,
)
from auth_tokens.models import ApiToken, AuditEvent, User
from config.core.clock import now
from config.core.errors import Conflict, InvalidInput, NotFound
from config.core.redaction import redact_text
from portfolio.models import SyncRun
from tests.factories import AccountFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ACCOUNTS = "/api/portfolio/accounts"
SYNC = "/api/portfolio/sync"


@pytest.fixture
def ann() -> User:
    return UserFactory(username="ann")


@pytest.fixture
def issued(ann: User) -> IssuedToken:
    return create_api_token(user=ann, name="spreadsheet")


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


# --- Making -----------------------------------------------------------------------------------
def test_only_the_digest_of_a_token_is_stored(issued: IssuedToken) -> None:
    stored = ApiToken.objects.get()
    assert stored.digest == hashlib.sha256(issued.text.encode()).hexdigest()
    assert issued.text.startswith("gd_")
    assert len(issued.text) == len("gd_") + 43
    assert issued.text.startswith(stored.prefix)
    assert len(stored.prefix) == 9
    assert issued.text not in repr(issued)


def test_no_two_tokens_are_alike(ann: User) -> None:
    texts = {create_api_token(user=ann, name=f"t{n}").text for n in range(5)}
    assert len(texts) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "x" * 65),
        ("name", "a\x00b"),
        ("scope", "trade"),
        ("expires_at", now() - timedelta(seconds=1)),
    ],
)
def test_impossible_token_is_refused_naming_the_field(ann: User, field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        create_api_token(user=ann, **({"name": "ok"} | {field: value}))  # type: ignore[arg-type]
    assert list(raised.value.fields) == [field]


def test_number_of_usable_tokens_is_bounded(ann: User) -> None:
    tokens = [create_api_token(user=ann, name=f"t{n}") for n in range(MAXIMUM_ACTIVE_TOKENS)]
    with pytest.raises(Conflict):
        create_api_token(user=ann, name="one too many")
    revoke_api_token(actor=ann, token_id=tokens[0].token.pk)
    create_api_token(user=ann, name="in its place")
    assert active_api_tokens(ann).count() == MAXIMUM_ACTIVE_TOKENS


def test_making_and_revoking_leave_a_trail_without_the_text(ann: User, issued: IssuedToken) -> None:
    revoke_api_token(actor=ann, token_id=issued.token.pk)
    revoke_api_token(actor=ann, token_id=issued.token.pk)
    events = AuditEvent.objects.filter(event__startswith="api_token").order_by("pk")
    assert [(e.event, e.actor, e.detail["prefix"]) for e in events] == [
        ("api_token.created", ann, issued.token.prefix),
        ("api_token.revoked", ann, issued.token.prefix),
    ]


# --- Authenticating ---------------------------------------------------------------------------
def test_token_opens_the_api_as_its_user(client: Client, ann: User, issued: IssuedToken) -> None:
    AccountFactory(account_id="A1", owner=ann)
    AccountFactory(account_id="B1")
    response = client.get(ACCOUNTS, headers=bearer(issued.text))
    assert response.status_code == 200
    assert "A1" in response.text
    assert "B1" not in response.text


def revoke(token: ApiToken) -> None:
    revoke_api_token(actor=token.user, token_id=token.pk)


def expire(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(expires_at=now())


def deactivate(token: ApiToken) -> None:
    User.objects.filter(pk=token.user_id).update(is_active=False)


def delete(token: ApiToken) -> None:
    token.delete()


@pytest.mark.parametrize("spoil", [revoke, expire, deactivate, delete])
def test_spoilt_token_is_refused_at_once(
    client: Client, issued: IssuedToken, spoil: Callable[[ApiToken], None]
) -> None:
    assert client.get(ACCOUNTS, headers=bearer(issued.text)).status_code == 200
    spoil(issued.token)
    response = client.get(ACCOUNTS, headers=bearer(issued.text))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_refusal_reads_the_same(client: Client, issued: IssuedToken) -> None:
    revoke(issued.token)
    texts = [issued.text, "gd_" + "A" * 43, "gd_", "", "x" * 9000, "gd_é", issued.text + "a"]
    messages = set()
    for text in texts:
        response = client.get(ACCOUNTS, headers=bearer(text))
        assert response.status_code == 401
        messages.add(response.json()["error"]["message"])
    assert len(messages) == 1


def test_digest_itself_opens_nothing(client: Client, issued: IssuedToken) -> None:
    for text in (issued.token.digest, "gd_" + issued.token.digest[:43]):
        assert client.get(ACCOUNTS, headers=bearer(text)).status_code == 401


def test_refused_token_is_not_replaced_by_the_session(
    client: Client, ann: User, issued: IssuedToken
) -> None:
    client.force_login(ann)
    revoke(issued.token)
    assert client.get(ACCOUNTS).status_code == 200
    assert client.get(ACCOUNTS, headers=bearer(issued.text)).status_code == 401


def test_caller_without_credentials_is_asked_for_a_token(client: Client) -> None:
    response = client.get(ACCOUNTS)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_token_is_found_in_one_query(
    issued: IssuedToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        token = api_token_by_text(issued.text)
        assert token is not None
        assert token.user.username == "ann"
    with django_assert_num_queries(0):
        assert api_token_by_text("not a token") is None


# --- Scopes -----------------------------------------------------------------------------------
def test_read_token_cannot_sync_and_sync_token_can_do_both(client: Client, ann: User) -> None:
    account = AccountFactory(owner=ann)
    answers = {}
    for scope in ApiToken.Scope.values:
        text = create_api_token(user=ann, name=scope, scope=scope).text
        read = client.get(ACCOUNTS, headers=bearer(text))
        sync = client.post(
            SYNC,
            {"account_id": account.pk},
            content_type="application/json",
            headers=bearer(text),
        )
        answers[scope] = (read.status_code, sync.status_code)
    assert answers == {"read": (200, 403), "sync": (200, 202)}
    assert SyncRun.objects.filter(account=account).count() == 1


def test_scope_unknown_to_the_permission_is_refused() -> None:
    class Request:
        auth = object()
        method = "GET"

    assert HasScope().has_permission(Request(), object()) is False  # type: ignore[arg-type]


# --- Last used --------------------------------------------------------------------------------
def test_last_use_is_written_at_most_once_a_minute(
    issued: IssuedToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    start = now()
    with time_machine.travel(start, tick=False):
        record_use(issued.token)
    for seconds, queries, expected in ((30, 0, 0), (59, 0, 0), (61, 1, 61)):
        token = ApiToken.objects.get()
        later = time_machine.travel(start + timedelta(seconds=seconds), tick=False)
        with later, django_assert_num_queries(queries):
            record_use(token)
        token.refresh_from_db()
        assert token.last_used_at == start + timedelta(seconds=expected)


def test_busy_database_does_not_fail_the_request(
    issued: IssuedToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", busy)
    record_use(issued.token)
    monkeypatch.undo()
    assert ApiToken.objects.get().last_used_at is None


# --- Revoking ---------------------------------------------------------------------------------
def test_foreign_and_unknown_token_cannot_be_revoked(issued: IssuedToken) -> None:
    bob = UserFactory()
    for token_id in (issued.token.pk, issued.token.pk + 1):
        with pytest.raises(NotFound):
            revoke_api_token(actor=bob, token_id=token_id)
    assert api_token_by_text(issued.text) is not None


def test_superuser_may_revoke_anyones(issued: IssuedToken) -> None:
    root = UserFactory(is_superuser=True)
    revoke_api_token(actor=root, token_id=issued.token.pk)
    assert api_token_by_text(issued.text) is None


# --- The page ---------------------------------------------------------------------------------
def test_page_shows_a_new_token_once_and_lists_it_afterwards(client: Client, ann: User) -> None:
    client.force_login(ann)
    made = client.post("/accounts/tokens", {"name": "robot", "scope": "sync", "lifetime": "30"})
    assert made.status_code == 201
    assert "no-store" in made.headers["Cache-Control"]
    text = made.context["issued"].text
    assert made.text.count(text) == 1
    token = api_token_by_text(text)
    assert token is not None
    assert (token.scope, token.name, token.user) == ("sync", "robot", ann)
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - now() <= timedelta(days=30)
    listed = client.get("/accounts/tokens")
    assert text not in listed.text
    assert token.prefix in listed.text


def test_page_refuses_a_token_without_a_name(client: Client, ann: User) -> None:
    client.force_login(ann)
    response = client.post("/accounts/tokens", {"name": "", "scope": "read", "lifetime": ""})
    assert response.status_code == 400
    assert not ApiToken.objects.exists()


def test_page_says_when_the_limit_is_reached(client: Client, ann: User) -> None:
    for n in range(MAXIMUM_ACTIVE_TOKENS):
        create_api_token(user=ann, name=f"t{n}")
    client.force_login(ann)
    response = client.post("/accounts/tokens", {"name": "more", "scope": "read", "lifetime": ""})
    assert response.status_code == 400
    assert "revoke one first" in response.text


def test_page_revokes_own_tokens_and_no_others(
    client: Client, ann: User, issued: IssuedToken
) -> None:
    foreign = create_api_token(user=UserFactory(is_superuser=True), name="other")
    client.force_login(ann)
    gone = client.post(f"/accounts/tokens/{issued.token.pk}/revoke")
    missing = client.post(f"/accounts/tokens/{foreign.token.pk}/revoke")
    assert (gone.status_code, missing.status_code) == (302, 404)
    assert api_token_by_text(issued.text) is None
    assert api_token_by_text(foreign.text) is not None
    assert client.get(f"/accounts/tokens/{issued.token.pk}/revoke").status_code == 405


def test_superuser_revokes_only_own_tokens_on_the_own_page(
    client: Client, issued: IssuedToken
) -> None:
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    assert client.post(f"/accounts/tokens/{issued.token.pk}/revoke").status_code == 404
    assert api_token_by_text(issued.text) is not None


def test_page_names_are_escaped(client: Client, ann: User) -> None:
    client.force_login(ann)
    made = client.post(
        "/accounts/tokens", {"name": "<script>alert(1)</script>", "scope": "read", "lifetime": ""}
    )
    assert "<script>alert" not in made.text


def test_page_costs_the_same_for_one_token_and_for_many(
    client: Client, ann: User, issued: IssuedToken, django_assert_max_num_queries: object
) -> None:
    client.force_login(ann)
    client.get("/accounts/tokens")
    for n in range(10):
        create_api_token(user=ann, name=f"t{n}")
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        client.get("/accounts/tokens")


# --- Canary -----------------------------------------------------------------------------------
def test_token_text_is_nowhere_but_in_the_one_answer(
    client: Client, ann: User, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Database, logs, error answers, admin pages: the text must not be in any of them."""
    caplog.set_level(logging.DEBUG)
    client.force_login(ann)
    made = client.post("/accounts/tokens", {"name": "robot", "scope": "read", "lifetime": ""})
    text = made.context["issued"].text
    secret = text[12:]
    client.logout()
    answers = [
        client.get(ACCOUNTS, headers=bearer(text)),
        client.get(ACCOUNTS + "?unknown=1", headers=bearer(text)),
        client.get("/api/portfolio/nothing", headers=bearer(text)),
        client.post(SYNC, "{", content_type="application/json", headers=bearer(text)),
        client.get(ACCOUNTS, headers=bearer(text + "x")),
    ]
    root = UserFactory(is_superuser=True, is_staff=True)
    client.force_login(root)
    token = ApiToken.objects.get()
    answers += [
        client.get("/admin/auth_tokens/apitoken/"),
        client.get(f"/admin/auth_tokens/apitoken/{token.pk}/change/"),
        client.get("/admin/auth_tokens/auditevent/"),
    ]
    assert [answer.status_code for answer in answers[-3:]] == [200, 200, 200]
    pages = "".join(answer.text for answer in answers)
    assert secret not in pages
    assert token.digest not in pages
    dump = io.StringIO()
    call_command("dumpdata", *(f"{a.label}" for a in apps.get_app_configs() if a.models_module),
                 stdout=dump)  # fmt: skip
    assert token.prefix in dump.getvalue()
    assert secret not in dump.getvalue()
    logged = caplog.text + "".join(capfd.readouterr())
    assert secret not in logged


def test_token_text_is_redacted_wherever_it_stands(issued: IssuedToken) -> None:
    for text in (f"sent {issued.text} to it", f"?q={issued.text}&x=1", f"[{issued.text!r}]"):
        assert issued.text[12:] not in redact_text(text)
    assert issued.token.prefix in redact_text(f"revoked {issued.token.prefix}…")
