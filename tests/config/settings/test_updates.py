"""The pace of the update queue: each preset, and what overrides or breaks it."""

from __future__ import annotations

from runpy import run_path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import updates

NAMES = (
    "PORTFOLIO_UPDATE_DEBOUNCE_SECONDS",
    "PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS",
    "PORTFOLIO_UPDATES_PER_MINUTE",
    "PORTFOLIO_MANUAL_UPDATES_PER_MINUTE",
)


def pace(monkeypatch: pytest.MonkeyPatch, **given: str) -> tuple[float, ...]:
    """Return what a process that starts with these settings has."""
    for name in (*NAMES, "PORTFOLIO_UPDATE_PRESET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = run_path(updates.__file__)
    return tuple(found[name] for name in NAMES)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ({}, (2.0, 5.0, 20, 10)),
        ({"PORTFOLIO_UPDATE_PRESET": "fast"}, (0.5, 1.5, 60, 10)),
        ({"PORTFOLIO_UPDATE_PRESET": "calm"}, (5.0, 15.0, 6, 10)),
        (
            {"PORTFOLIO_UPDATE_PRESET": "fast", "PORTFOLIO_UPDATES_PER_MINUTE": "30"},
            (0.5, 1.5, 30, 10),
        ),
    ],
)
def test_preset_sets_the_pace_and_each_setting_overrides_it(
    monkeypatch: pytest.MonkeyPatch, preset: dict[str, str], expected: tuple[float, ...]
) -> None:
    assert pace(monkeypatch, **preset) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTFOLIO_UPDATE_PRESET", "quick"),
        ("PORTFOLIO_UPDATE_DEBOUNCE_SECONDS", "6"),
        ("PORTFOLIO_UPDATE_DEBOUNCE_SECONDS", "-1"),
        ("PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS", "61"),
        ("PORTFOLIO_UPDATES_PER_MINUTE", "0"),
        ("PORTFOLIO_MANUAL_UPDATES_PER_MINUTE", "601"),
    ],
)
def test_pace_that_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        pace(monkeypatch, **{name: value})
