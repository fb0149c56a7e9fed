from __future__ import annotations

import gzip
import json
from random import Random

import brotli
import pytest

from config.core.front_door.bodies import Body, Prepared, PreparedBodies, holds
from config.core.front_door.encodings import chosen_form, compressed


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP", "gzip"),
        ("br;q=0", "identity"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0, *", "gzip"),
        ("gzip;q=0.9, br;q=0.1", "gzip"),
        ("identity;q=1, br;q=0.5", "identity"),
        ("identity;q=0.1, br;q=0.5", "br"),
        ("*", "br"),
        ("*;q=0", "identity"),
        ("identity;q=0, *;q=0", "identity"),
        ("br;q=2", "identity"),
        ("br;q=", "identity"),
        ("br;level=5", "identity"),
        ("deflate, zstd", "identity"),
        (",,;;,", "identity"),
        ("x" * 5000 + ", gzip", "gzip"),
    ],
)
def test_form_is_the_most_welcome_one(accept: str, form: str) -> None:
    assert chosen_form(accept) == form


def test_every_form_decodes_to_the_same_bytes() -> None:
    plain = b'{"a":1}' * 1000
    assert gzip.decompress(compressed(plain, "gzip")) == plain
    assert brotli.decompress(compressed(plain, "br")) == plain
    assert compressed(plain, "identity") == plain


def test_same_bytes_have_the_same_tags_in_every_process() -> None:
    one, two = Body(b"same" * 100), Body(b"same" * 100)
    for form in ("identity", "gzip", "br"):
        assert one.form(form) == two.form(form)
        assert one.etag(form) == two.etag(form)
    assert Body(b"other").etag("br") != one.etag("br")


@pytest.mark.parametrize(
    ("offered", "is_held"),
    [('"a-br"', True), ('W/"a-br"', True), ('"b", "a-br"', True), ("*", True), ('"a"', False),
     ("", False), ("a-br", False), ('"a-gzip"', False)],
)  # fmt: skip
def test_condition_holds_for_the_very_form_only(offered: str, is_held: bool) -> None:
    assert holds(offered, '"a-br"') is is_held


def test_least_recently_used_body_goes_first(settings: object) -> None:
    settings.FRONT_DOOR_MEGABYTES = 1  # type: ignore[attr-defined]
    bodies = PreparedBodies()
    first, second, third = (Prepared(Body(b"x" * 400_000), "state") for _ in range(3))
    bodies.put("r", 1, first)
    bodies.put("r", 2, second)
    assert bodies.get("r", 1, "state") is first
    bodies.put("r", 3, third)
    assert bodies.get("r", 2, "state") is None
    assert (first.is_kept, second.is_kept, third.is_kept) == (True, False, True)
    assert bodies.size <= 1_000_000


def test_newer_body_takes_the_place_and_the_forms_of_the_older() -> None:
    bodies = PreparedBodies()
    older = bodies.put("r", 1, Prepared(Body(b"older"), "v1"))
    older.body.form("br")
    newer = bodies.put("r", 1, Prepared(Body(b"newer"), "v2"))
    assert newer.body.ready("br") is not None
    assert newer.body.ready("gzip") is None
    assert not older.is_kept
    assert bodies.get("r", 1, "v1") is None


def test_large_columns_of_numbers_are_pressed_lightly_and_come_out_whole() -> None:
    numbers = Random(1)
    body = json.dumps([numbers.gauss(0.0, 900.0) for _ in range(20_000)]).encode()
    assert len(body) > 200_000
    assert brotli.decompress(compressed(body, "br")) == body
    assert gzip.decompress(compressed(body, "gzip")) == body
    assert compressed(body, "br") == compressed(body, "br")


def test_body_of_another_process_has_the_same_forms_and_tags() -> None:
    ours = Body(b'{"schema":1}' * 50)
    theirs = Body.of_brotli(ours.tag, ours.form("br"))
    assert theirs.ready("identity") is None
    assert theirs.size == len(ours.form("br"))
    for form in ("gzip", "identity", "br"):
        assert theirs.form(form) == ours.form(form)
        assert theirs.etag(form) == ours.etag(form)


def test_stores_of_bodies_are_bounded_each_by_its_own_setting(settings: object) -> None:
    settings.FRONT_DOOR_MEGABYTES, settings.MARKET_CACHE_MEGABYTES = 1, 2  # type: ignore[attr-defined]
    bodies = PreparedBodies("MARKET_CACHE_MEGABYTES")
    for number in range(40):
        bodies.put("r", number, Prepared(Body(bytes(90_000)), "state"))
    assert len(bodies) == 22
    assert bodies.last("r", 39) is not None
    assert bodies.last("r", 0) is None
    bodies.clear()
    assert (len(bodies), bodies.size) == (0, 0)
