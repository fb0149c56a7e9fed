"""Digits that are no number, and numbers without end, are the caller's error."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from config.core.api.parameters import whole_number
from config.core.clock import parse_clock
from config.core.errors import InvalidInput
from tests.factories import UserFactory
from trades.importing.uploads import parse_offset

pytestmark = [pytest.mark.django_db, pytest.mark.database]

TEXTS = [
    "²", "٣", "๓", "1²", "1_000", "9" * 19, "9" * 5_000, "1e9999999", "-1", "+1", " 1", "1.0",
    "NaN", "Infinity", "0x1", "",
]  # fmt: skip


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(UserFactory.create(is_staff=True))
    return client


@pytest.mark.parametrize("text", TEXTS)
def test_only_short_ascii_digits_are_a_number(text: str) -> None:
    assert whole_number(text) is None


def test_digits_are_their_number() -> None:
    assert (whole_number("0"), whole_number("0012"), whole_number("9" * 18)) == (0, 12, 10**18 - 1)


WHAT_IF = [
    "add-{}-strike", "add-{}-", "add-{}", "quantity-{}", "add-0-strike", "add-0-quantity",
    "add-TOTAL_FORMS", "close",
]  # fmt: skip


# Each text in two fields, each field with four texts.
@pytest.mark.parametrize(
    ("text", "name"),
    [(text, name) for number, text in enumerate(TEXTS) for name in WHAT_IF[number % 4 :: 4]],
)
def test_what_if_takes_no_such_field(client: Client, name: str, text: str) -> None:
    answer = client.post("/risk/what-if", {name.format(text): "100", name.format(0): text})
    assert answer.status_code < 500


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "address", ["/market/alerts?edit={}", "/risk?scenario={}", "/risk?portfolio={}",
                "/market?minute={}", "/api/market/alerts?limit={}"],
)  # fmt: skip
def test_no_address_breaks_on_such_a_number(client: Client, address: str, text: str) -> None:
    assert client.get(address.format(text)).status_code < 500


def numbered_routes() -> list[str]:
    """Return every address with whole numbers only, as a format of them, from the URLconf."""
    found: list[str] = []

    def walk(patterns: Any, prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif "<int:" in path:
                found.append("/" + re.sub(r"<int:\w+>", "{number}", path))

    walk(get_resolver().url_patterns, "")
    return [path for path in found if "<" not in path and not path.startswith("/admin")]


@pytest.mark.parametrize("route", numbered_routes())
@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**24 - 1])
def test_no_route_breaks_on_a_number_too_large(client: Client, route: str, number: int) -> None:
    path = route.format(number=number)
    assert client.get(path).status_code < 500
    assert client.post(path, {"action": "note"}).status_code < 500


@pytest.mark.parametrize(
    ("address", "field"),
    [("/api/market/chain?delta_max={}", "delta_max"), ("/api/trades?start={}", "start"),
     ("/api/trades?chain={}", "chain"), ("/api/trades/statistics?start={}", "start"),
     ("/api/market/chain?at={}", "at"), ("/api/portfolio/state?at={}", "at")],
)  # fmt: skip
@pytest.mark.parametrize("text", ["٠.٥", "２０２６-01-02", "١", "1２:30"])
def test_other_scripts_digits_are_refused_with_the_fields_name(
    client: Client, address: str, field: str, text: str
) -> None:
    answer = client.get(address.format(text))
    assert answer.status_code == 400
    assert field in answer.json()["error"]["fields"]


@pytest.mark.parametrize("text", ["٣", "１２", "1_0", "²"])
def test_clocks_offset_is_a_plain_number(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_offset(text)
    assert set(refused.value.fields) == {"clock_offset"}


def test_clocks_offset_may_be_behind() -> None:
    assert (parse_offset("-18000"), parse_offset("3600"), parse_offset("")) == (-18000, 3600, 0)


@pytest.mark.parametrize(
    ("text", "form"),
    [("01/02/２０２６", "%m/%d/%Y"), ("1٢:30", "%H:%M"), ("٢0JUN25", "%d%b%y")],
)
def test_times_are_written_with_our_digits(text: str, form: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_clock(text, form)
