"""The risk monitor's two doors: the same bytes and headers, and who goes through which."""

from __future__ import annotations

import asyncio
import json

import pytest
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.monitoring.counting import hand_on
from config.core.monitoring.reading import get_metrics
from tests.config.core.monitoring.measuring import events, nothing_measured
from tests.factories import UserFactory
from tests.portfolio.door import decoded, desk, run, signed_in
from tests.portfolio.reading import FAST, synced_account
from tests.servers.valkey import RunningValkey

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]
ENCODINGS = [
    b"",
    b"gzip",
    b"br",
    b"gzip, deflate, br, zstd",
    b"br;q=0, gzip;q=0.5",
    b"br;q=0.1, gzip;q=0.9",
    b"identity;q=1, br;q=0.5",
    b"*",
    b"*;q=0",
    b"identity;q=0",
    b"br;q=nonsense",
    b"GZIP",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_both_doors_answer_the_same(trader: User, encoding: bytes) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    headers = [cookie, (b"accept", b"*/*")]
    if encoding:
        headers.append((b"accept-encoding", encoding))
    async with desk() as opened:
        prepared = await opened.prepared(*headers)
        ordinary = await opened.get_of_django(*headers)
        assert prepared.lasting == ordinary.lasting
        assert prepared.header("cache-control") == "private, no-cache"
        assert prepared.header("vary") == "Cookie, Authorization, Accept-Encoding"
        assert prepared.header("content-type") == "application/json"
        for name in ("content-security-policy", "x-content-type-options", "referrer-policy",
                     "x-frame-options", "x-request-id"):  # fmt: skip
            assert prepared.header(name), name
        assert len(json.loads(decoded(prepared))["positions"]) == 1

        heads = [
            await answers(*headers, method="HEAD") for answers in (opened.get, opened.get_of_django)
        ]
        assert heads[0].is_prepared
        assert heads[0].lasting == heads[1].lasting
        assert heads[0].header("content-length") == str(len(prepared.body))

        held = prepared.header("etag") or ""
        for form in (held, f"W/{held}", f'"other", {held}', "*"):
            condition = (b"if-none-match", form.encode())
            known = await opened.get(*headers, condition)
            assert known.is_prepared
            assert (known.status, known.body) == (304, b"")
            assert known.lasting == (await opened.get_of_django(*headers, condition)).lasting
        other = (b"if-none-match", b'"of another form"')
        assert (await opened.get(*headers, other)).status == 200


async def test_each_form_has_a_tag_of_its_own(trader: User) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        tags = set()
        for encoding in (b"identity", b"gzip", b"br"):
            answer = await opened.prepared(cookie, (b"accept-encoding", encoding))
            tags.add(answer.header("etag"))
            plain = decoded(answer)
            assert json.loads(plain)["schema"] == 1
        assert len(tags) == 3


@pytest.mark.parametrize(
    ("headers", "path", "method"),
    [
        ([], f"{FAST}?refresh_greeks_async=false", "GET"),
        ([], f"{FAST}?colour=red", "GET"),
        ([], f"{FAST}/", "GET"),
        ([], FAST, "POST"),
        ([], FAST, "OPTIONS"),
        ([(b"range", b"bytes=0-9")], FAST, "GET"),
        ([(b"if-match", b'"x"')], FAST, "GET"),
        ([(b"if-modified-since", b"Fri, 20 Nov 2026 16:00:00 GMT")], FAST, "GET"),
        ([(b"content-length", b"0")], FAST, "GET"),
        ([(b"accept", b"text/html")], FAST, "GET"),
        ([(b"accept", b"application/json;q=0")], FAST, "GET"),
        ([(b"accept", b"\xff\xfe")], FAST, "GET"),
        ([(b"accept_encoding", b"br")], FAST, "GET"),
        ([(b"accept-encoding", b"br, " * 100)], FAST, "GET"),
        ([(b"if-none-match", b'"x", ' * 400)], FAST, "GET"),
        ([(b"host", b"evil.example")], FAST, "GET"),
        ([(b"x-forwarded-proto", b"https")], FAST, "GET"),
        ([(b"authorization", b"Basic dTpw")], FAST, "GET"),
        ([(b"authorization", b"Bearer gd_" + b"x" * 43)], FAST, "GET"),
        ([(b"authorization", b"Bearer " + b"x" * 9000)], FAST, "GET"),
        ([(b"if-none-match", b"*"), (b"if-none-match", b"*")], FAST, "GET"),
    ],
)
async def test_unusual_request_is_djangos(
    trader: User, headers: list[tuple[bytes, bytes]], path: str, method: str
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        answer = await opened.get(cookie, *headers, path=path, method=method)
        assert not answer.is_prepared
        expected = await opened.get_of_django(cookie, *headers, path=path, method=method)
        assert (answer.status, answer.header("etag")) == (expected.status, expected.header("etag"))


async def test_cookie_that_is_not_exactly_the_granted_one_is_djangos(trader: User) -> None:
    await run(synced_account, trader)
    name, value = await signed_in(trader)
    session = value.partition(b"=")[2]
    async with desk() as opened:
        await opened.prepared((name, value))
        for cookie in (
            value + b"; " + value,
            value.replace(session, b"0" * len(session)) + b"; " + value,
            value + b"; " + value.replace(session, b"0" * len(session)),
            value.replace(session, b'"' + session + b'"') + b"x",
            value + b"x",
            value[:-1],
            value.upper(),
            b"a=" + b"x" * 5000 + b"; " + value,
            b"\xff=\xfe; ;=; " + value[:-1],
            b"",
        ):
            answer = await opened.get((name, cookie))
            assert not answer.is_prepared, cookie
            expected = await opened.get_of_django((name, cookie))
            assert answer.status == expected.status, cookie
            await opened.settle()
        twice = await opened.get((name, value), (name, value))
        assert not twice.is_prepared


# To Django, which reads UTF-8, the second is a blank beside the cookie's name.
@pytest.mark.parametrize("between", [b"; ", b"; \xc2\xa0"])
async def test_two_sessions_in_one_cookie_are_never_granted(trader: User, between: bytes) -> None:
    await run(synced_account, trader)
    name, value = await signed_in(trader)
    other = (await signed_in(await run(UserFactory)))[1]
    async with desk() as opened:
        for _ in range(3):
            assert not (await opened.get((name, other + between + value))).is_prepared
            await opened.settle()
        assert len(opened.door.grants) == 0


async def test_empty_host_is_refused_after_a_request_that_named_none(trader: User) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        for _ in range(3):
            assert (await opened.get(cookie, host=None)).status == 200
            await opened.settle()
        assert (await opened.get(cookie, (b"host", b""))).status == 400


async def test_caller_who_calls_too_often_is_told_to_wait(trader: User, settings: Settings) -> None:
    settings.FRONT_DOOR_CALLS_PER_SECOND = 5
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    other_user = await run(UserFactory)
    other = await signed_in(other_user)
    clock = [1000.0]
    async with desk(clock=lambda: clock[0]) as opened:
        async with asyncio.timeout(5):
            while not (await opened.get(cookie)).is_prepared:
                await opened.settle()
                clock[0] += 1
        clock[0] += 1
        await opened.door.watches.look_at_all()
        answers = [await opened.get(cookie) for _ in range(8)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
        refused = answers[-1]
        assert refused.header("retry-after") == "1"
        assert refused.header("x-content-type-options") == "nosniff"
        error = json.loads(refused.body)["error"]
        assert error["code"] == "throttled"
        assert error["request_id"] == refused.header("x-request-id")
        # Another caller is another matter; a second later so is this one.
        assert (await opened.get(other)).status == 200
        clock[0] += 1
        assert (await opened.get(cookie)).status == 200


async def test_address_without_credentials_is_throttled_before_django(settings: Settings) -> None:
    settings.FRONT_DOOR_CALLS_PER_SECOND = 2
    async with desk(clock=lambda: 5.0) as opened:
        statuses = [(await opened.get()).status for _ in range(4)]
    assert statuses == [401, 401, 429, 429]


async def test_answers_of_the_door_are_counted_by_route(trader: User) -> None:
    def counted() -> float:
        labels = {"method": "GET", "route": FAST.removeprefix("/"), "status": "200"}
        return REGISTRY.get_sample_value("greekdesk_request_seconds_count", labels) or 0.0

    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        hand_on()
        before = counted()
        for _ in range(7):
            assert (await opened.get(cookie)).is_prepared
        hand_on()
        assert counted() == before + 7


async def test_each_door_tells_the_monitor_whether_the_body_was_ready(
    trader: User, valkey: RunningValkey
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        await run(nothing_measured, valkey)
        assert (await opened.get(cookie)).is_prepared
        other = await signed_in(trader)
        assert not (await opened.get(other)).is_prepared
        metrics = await run(get_metrics)
    (fast,) = [row for row in metrics["endpoints"] if row["endpoint"].endswith("/fast")]
    assert (fast["requests"], fast["cache_hits"], fast["cache_misses"]) == (2, 1, 1)


async def test_late_answer_of_the_door_is_warned_about(
    trader: User, caplog: pytest.LogCaptureFixture
) -> None:
    moment, step = [0.0], [0.0]

    def clock() -> float:
        moment[0] += step[0]
        return moment[0]

    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk(clock=clock) as opened:
        await opened.prepared(cookie)
        step[0] = 1.5
        answer = await opened.get(cookie, (b"x-request-id", b"late-request"))
        step[0] = 0.0
        assert answer.is_prepared
    (line,) = events(caplog, "request.slow")
    assert line["request_id"] == "late-request"
    assert line["response_time_ms"] == 1500.0
    assert (line["cache_hits"], line["cache_misses"]) == (["risk_monitor"], [])


async def test_request_id_is_taken_over_or_made(trader: User) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        kept = await opened.get(cookie, (b"x-request-id", b"my-request.1"))
        assert (kept.is_prepared, kept.header("x-request-id")) == (True, "my-request.1")
        made = set()
        for offered in (b"short", b"spaces in it", b"x" * 65, b"nasty<script>"):
            answer = await opened.get(cookie, (b"x-request-id", offered))
            assert answer.is_prepared
            made.add(answer.header("x-request-id"))
        assert len(made) == 4
        assert all(len(one or "") == 32 for one in made)
