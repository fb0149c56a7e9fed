"""Nobody gets another's prepared body, nor their own for longer than they may.

Every body that the door may hold is private to a set of accounts. Access is taken away in every way
there is, by this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from django.test import Client

from auth_tokens.api_tokens.writing import revoke_api_token
from auth_tokens.models import ApiToken, User
from config.core.front_door.grants import ACCESS_GROUP
from config.core.live.hub import announce
from portfolio.models import Account, AccountAccess
from tests.factories import PASSWORD, UserFactory
from tests.portfolio.door import Desk, run, session_of
from tests.portfolio.reading import synced_account
from tests.portfolio.risk_monitor.front_door.access import (
    accounts_in,
    deactivate,
    disable,
    log_out,
    set_password,
    share,
    token_of,
    unshare,
)

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


async def test_two_people_with_separate_accounts_get_each_their_own(
    trader: User, other: User, opened: Desk
) -> None:
    mine, theirs = await run(synced_account, trader), await run(synced_account, other)
    (_, cookie), (_, their_cookie) = await run(session_of, trader), await run(session_of, other)
    await opened.prepared(cookie)
    await opened.prepared(their_cookie)
    for _ in range(5):
        first, second = await asyncio.gather(opened.get(cookie), opened.get(their_cookie))
        assert first.is_prepared
        assert second.is_prepared
        assert accounts_in(first) == {mine.pk}
        assert accounts_in(second) == {theirs.pk}
        assert theirs.pk.encode() not in first.body
        assert mine.pk.encode() not in second.body
        assert first.header("etag") != second.header("etag")


async def test_shared_account_is_seen_by_both_and_the_rest_by_one(
    trader: User, other: User, opened: Desk
) -> None:
    mine, shared = await run(synced_account, trader), await run(synced_account, other)
    await run(share, shared, trader)
    (_, cookie), (_, their_cookie) = await run(session_of, trader), await run(session_of, other)
    assert accounts_in(await opened.prepared(cookie)) == {mine.pk, shared.pk}
    assert accounts_in(await opened.prepared(their_cookie)) == {shared.pk}


async def test_stranger_gets_nothing_while_another_is_served(trader: User, opened: Desk) -> None:
    account = await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    await opened.prepared(cookie)
    for headers in ((), ((b"cookie", b"sessionid=" + b"a" * 32),), ((b"cookie", b"x=y"),)):
        answer = await opened.get(*headers)
        assert answer.status == 401
        assert account.pk.encode() not in answer.body


async def test_tags_of_another_person_answer_no_304(
    trader: User, other: User, opened: Desk
) -> None:
    await run(synced_account, trader)
    await run(synced_account, other)
    (_, cookie), (_, their_cookie) = await run(session_of, trader), await run(session_of, other)
    tag = (await opened.prepared(cookie)).header("etag") or ""
    await opened.prepared(their_cookie)
    answer = await opened.get(their_cookie, (b"if-none-match", tag.encode()))
    assert (answer.is_prepared, answer.status) == (True, 200)


def remove(client: Client, user: User) -> None:
    Account.objects.filter(owner=user).update(owner=UserFactory())
    user.delete()


@pytest.mark.parametrize("end", [log_out, deactivate, remove, set_password])
async def test_session_that_ended_is_refused_at_once(
    trader: User, opened: Desk, end: Callable[[Client, User], None]
) -> None:
    account = await run(synced_account, trader)
    client, cookie = await run(session_of, trader)
    await opened.prepared(cookie)
    await run(end, client, trader)
    for _ in range(3):
        answer = await opened.get(cookie)
        assert answer.status == 401
        assert account.pk.encode() not in answer.body
        await opened.settle()


async def test_new_password_ends_other_sessions_and_keeps_this_one(
    trader: User, opened: Desk
) -> None:
    await run(synced_account, trader)
    client, _ = await run(session_of, trader)
    _, elsewhere = await run(session_of, trader)
    await opened.prepared(elsewhere)

    def change() -> None:
        new = "another-long-passphrase"
        form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        assert client.post("/accounts/password", form).status_code == 302

    await run(change)
    assert (await opened.get(elsewhere)).status == 401
    name = elsewhere[1].partition(b"=")[0]
    kept = (b"cookie", name + b"=" + client.cookies[name.decode()].value.encode())
    assert (await opened.prepared(kept)).status == 200


async def test_session_that_is_left_for_another_persons_is_refused_at_once(
    trader: User, other: User, opened: Desk
) -> None:
    await run(synced_account, trader)
    client, cookie = await run(session_of, trader)
    await opened.prepared(cookie)
    # Logging in as somebody else ends the session without a log-out.
    await run(client.force_login, other)
    assert (await opened.get(cookie)).status == 401
    assert len(opened.door.grants) == 0


async def test_revocation_that_names_nobody_ends_every_grant(trader: User, opened: Desk) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    for user_id in (None, "x"):
        await opened.prepared(cookie)
        await run(announce, ACCESS_GROUP, {"type": "access.revoked", "user_id": user_id})
        await opened.until(lambda: len(opened.door.grants) == 0)


def share_with_another_instead(account: Account, user: User) -> None:
    """As the admin does when another user is chosen in the row."""
    access = AccountAccess.objects.get(account=account, user=user)
    access.user = UserFactory()
    access.save()


@pytest.mark.parametrize("withdraw", [unshare, disable, share_with_another_instead])
async def test_withdrawn_account_is_gone_from_the_next_answer(
    trader: User, other: User, opened: Desk, withdraw: Callable[[Account, User], None]
) -> None:
    mine, shared = await run(synced_account, trader), await run(synced_account, other)
    await run(share, shared, trader)
    _, cookie = await run(session_of, trader)
    assert accounts_in(await opened.prepared(cookie)) == {mine.pk, shared.pk}
    await run(withdraw, shared, trader)
    assert accounts_in(await opened.get(cookie)) == {mine.pk}
    assert accounts_in(await opened.prepared(cookie)) == {mine.pk}


async def test_account_given_to_another_owner_goes_with_its_body(
    trader: User, other: User, opened: Desk
) -> None:
    account = await run(synced_account, trader)
    (_, cookie), (_, their_cookie) = await run(session_of, trader), await run(session_of, other)
    await opened.prepared(cookie)
    await opened.prepared(their_cookie)

    def give() -> None:
        account.owner = other
        account.save()

    await run(give)
    assert accounts_in(await opened.get(cookie)) == set()
    assert accounts_in(await opened.get(their_cookie)) == {account.pk}


async def test_given_account_is_seen_at_once(trader: User, other: User, opened: Desk) -> None:
    mine, shared = await run(synced_account, trader), await run(synced_account, other)
    _, cookie = await run(session_of, trader)
    await opened.prepared(cookie)
    await run(share, shared, trader)
    assert accounts_in(await opened.get(cookie)) == {mine.pk, shared.pk}


async def test_revoked_token_is_refused_at_once_and_others_stay(trader: User, opened: Desk) -> None:
    await run(synced_account, trader)
    token, header = await token_of(trader)
    _, kept = await token_of(trader)
    await opened.prepared(header)
    await opened.prepared(kept)
    await run(revoke_api_token, actor=trader, token_id=token.pk)
    assert (await opened.get(header)).status == 401
    assert (await opened.prepared(kept)).status == 200


@pytest.mark.parametrize("scope", ["read", "sync"])
async def test_token_that_may_read_is_served(trader: User, opened: Desk, scope: str) -> None:
    account = await run(synced_account, trader)
    _, header = await token_of(trader, scope=scope)
    assert accounts_in(await opened.prepared(header)) == {account.pk}


async def test_token_of_an_unknown_scope_is_never_granted(trader: User, opened: Desk) -> None:
    await run(synced_account, trader)
    token, header = await token_of(trader)
    await run(ApiToken.objects.filter(pk=token.pk).update, scope="trade")
    for _ in range(3):
        assert (await opened.get(header)).status == 403
        await opened.settle()
    assert len(opened.door.grants) == 0


async def test_bad_token_beside_a_good_cookie_is_refused(trader: User, opened: Desk) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    await opened.prepared(cookie)
    answer = await opened.get(cookie, (b"authorization", b"Bearer gd_" + b"x" * 43))
    assert (answer.status, answer.is_prepared) == (401, False)
