"""What the visual language's tags write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.template import Context, Template
from django.utils.timezone import override

NOW = datetime(2025, 11, 20, 15, 0, 0, tzinfo=UTC)


class _Reader(HTMLParser):
    """Return the text a screen reader speaks, without parts hidden from it."""

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[str] = []
        self._muted: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._muted.append(dict(attrs).get("aria-hidden") == "true")

    def handle_endtag(self, tag: str) -> None:
        self._muted.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._muted):
            self.spoken.append(data)


def spoken(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    return "".join(reader.spoken)


def rendered(source: str, **context: Any) -> str:
    return Template("{% load desk %}" + source).render(Context(context))


@pytest.mark.parametrize(
    "source",
    [
        "{{ value|money }}",
        "{{ value|greek:4 }}",
        "{{ value|signed }}",
        "{{ value|percent }}",
        "{{ value|points }}",
        "{{ value|price }}",
        "{{ value|quantity }}",
        "{{ value|compact }}",
        "{{ value|strike }}",
        "{{ value|day }}",
        "{{ value|moment }}",
        "{% change value %}",
        "{% age value %}",
        "{% source_badge value %}",
    ],
)
def test_a_missing_value_is_a_dash_read_out_as_no_value(source: str) -> None:
    html = rendered(source, value=None)
    assert "–" in html
    assert spoken(html) == "no value"


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [(1234.5, "up", "+1,234.50"), (-3, "down", "\u22123.00"), (0, "flat", "0.00")],
)
def test_a_change_says_its_direction_by_sign_and_by_state(
    value: float, sign: str, text: str
) -> None:
    html = rendered("{% change value %}", value=value)
    assert f'data-sign="{sign}"' in html
    assert spoken(html) == text


def test_a_change_that_rounds_to_nought_points_nowhere() -> None:
    html = rendered("{% change value 0 %}", value=0.4)
    assert 'data-sign="flat"' in html
    assert spoken(html) == "0"


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("seconds", "behind", "old"), [(60, 300, False), (60, 301, True), (90_000, 300, False)]
)
def test_an_age_is_marked_old_only_far_behind_the_newest(
    seconds: int, behind: int, old: bool
) -> None:
    """A closed market ages all alike, and how long ago an alert was is no fault."""
    newest = NOW - timedelta(seconds=seconds)
    at = newest - timedelta(seconds=behind)
    tag = "{% age at 'market' is_compared=True newest=newest %}"
    assert ("data-old" in rendered(tag, at=at, newest=newest)) is old
    assert "data-old" not in rendered("{% age at %}", at=at)


@time_machine.travel(NOW, tick=False)
def test_market_ages_stand_still_with_a_frozen_market_clock(settings: Any) -> None:
    settings.MARKET_CLOCK = "2025-08-22T20:00:00+00:00"
    at = datetime(2025, 8, 22, 19, 58, tzinfo=UTC)
    assert spoken(rendered("{% age at 'market' %}", at=at)) == "2m"
    assert spoken(rendered("{% age at 'wall' %}", at=at)) == "89d"


def test_moment_is_in_the_zone_that_the_reader_chose() -> None:
    at = datetime(2026, 1, 4, 20, 59, 41, tzinfo=UTC)
    assert spoken(rendered("{{ at|moment }}", at=at)) == "2026-01-04 20:59:41 UTC"
    with override(ZoneInfo("Asia/Tokyo")):
        assert spoken(rendered("{{ at|moment }}", at=at)) == "2026-01-05 05:59:41 JST"
        assert rendered("{{ at|day }}", at=at) == "5 Jan 26"


def test_short_moment_has_the_whole_one_as_its_title() -> None:
    at = datetime(2026, 1, 5, 1, 59, 41, tzinfo=timezone(timedelta(hours=5)))
    assert rendered("{{ at|short_moment }}", at=at) == (
        '<time datetime="2026-01-05T01:59:41+05:00" title="2026-01-04 20:59:41 UTC">'
        "4\u00a0Jan\u00a026 20:59</time>"
    )
    assert "<time" not in rendered("{{ at|short_moment }}", at=None)


def test_a_source_from_outside_cannot_write_markup() -> None:
    html = rendered("{% source_badge name %}", name='"><script>alert(1)</script>')
    assert "<script" not in html
    assert 'data-source="&quot;' in html


def test_last_known_greeks_are_marked_beside_their_source() -> None:
    assert "data-last-known" in rendered("{% source_badge 'ibkr' True %}")
    assert "data-last-known" not in rendered("{% source_badge 'ibkr' %}")
