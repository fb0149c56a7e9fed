"""The answer with the streamer's token: its lifetime, and what cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from config.core.errors import MalformedResponse
from portfolio.brokers.tastytrade.market_data import decode_streamer_token

pytestmark = pytest.mark.anyio
TOKEN = {
    "token": "abc",
    "dxlink-url": "wss://streamer.test/realtime",
    "issued-at": "2026-11-20T10:00:00.000+00:00",
    "expires-at": "2026-11-21T09:00:00.000+00:00",
}


def test_token_answer_is_read_with_its_lifetime() -> None:
    found = decode_streamer_token({"data": TOKEN, "context": "/api-quote-tokens"})

    assert (found.token, found.url) == ("abc", "wss://streamer.test/realtime")
    assert found.lifetime == 23 * 3600
    assert "abc" not in repr(found)


@pytest.mark.parametrize("expires", [None, "", "2026-11-20T09:00:00Z", "2027-11-20T09:00:00Z"])
def test_token_lives_for_a_day_at_most_and_where_nothing_is_said(expires: str | None) -> None:
    answer: dict[str, Any] = {**TOKEN, "expires-at": expires}
    assert decode_streamer_token({"data": answer}).lifetime == 86_400


@pytest.mark.parametrize(
    "change",
    [
        {"token": None}, {"token": ""}, {"token": 7}, {"token": "secret-\x00"},
        {"dxlink-url": None}, {"dxlink-url": "ws://streamer.test/"}, {"dxlink-url": "https://x/"},
        {"dxlink-url": "nonsense"}, {"expires-at": "soon"},
    ],
)  # fmt: skip
def test_token_answer_that_cannot_be_used_says_why_without_the_token(
    change: dict[str, Any],
) -> None:
    with pytest.raises(MalformedResponse) as caught:
        decode_streamer_token({"data": TOKEN | change})
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("answer", [None, [], "text", {"data": []}])
def test_answer_that_is_no_object_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponse):
        decode_streamer_token(answer)
