"""Providers are found in the order of their modules, and opened where they are set up."""

from __future__ import annotations

import pytest

from config.core.errors import InvalidInput
from greeks.providers.registered import RegisteredProviders


def providers() -> RegisteredProviders[str]:
    found: RegisteredProviders[str] = RegisteredProviders((), field="source")
    found.register("first", is_configured=lambda: True)(lambda: "the first")
    found.register("second", is_configured=lambda: False)(lambda: "the second")
    return found


def test_provider_that_is_set_up_is_opened() -> None:
    found = providers()
    assert found.names() == ("first", "second")
    assert found.configured() == ("first",)
    assert found.open("first") == "the first"


@pytest.mark.parametrize("name", ["second", "third", "x" * 100])
def test_provider_that_is_not_set_up_names_the_field_and_those_that_are(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^source: .* is not set up here \(set up: first\)"):
        providers().open(name)


def test_two_providers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        providers().register("first", is_configured=lambda: True)(lambda: "another")
