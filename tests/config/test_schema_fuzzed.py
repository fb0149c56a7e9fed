"""Schemathesis holds the desk to its whole OpenAPI document, with good and with bad requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken, User
from tests.config.test_api_bodies import Desk, desk

__all__ = ["desk"]
# Some 90 operations, one after the other, within one test.
pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.timeout(600)]

EXAMPLES = 4
#: Operations whose schema says everything: they refuse nothing that it allows. The others have
#: rules that none can say: which fields go together, what is stored, an order, a range of a list.
SAY_ALL = frozenset(
    {
        *("accounts", "alert_channels", "alert_channel_delete", "alert_channel_test"),
        *("alert_events", "alert_events_read", "alert_metrics", "alert_rule", "alert_rules"),
        *("alert_rule_delete", "gex_history", "market_instruments", "orders"),
        *("portfolio_positions", "risk_monitor_fast", "saved_scenarios", "saved_scenario_delete"),
        *("sync_start", "sync_status", "trade"),
    }
)


def operations() -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
    schema.app = get_wsgi_application()
    results: Iterator[Any] = schema.get_all_operations()
    for result in results:
        yield result.ok()


def ask(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    """Ask an operation as the mode says, and check each answer against the document."""
    named = operation.definition.raw["operationId"]
    excluded: Any = [] if named in SAY_ALL else [positive_data_acceptance]

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def asks(case: Case[Any]) -> None:
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    # Without a parameter there may be nothing to get wrong.
    with suppress(Unsatisfiable):
        asks()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_keeps_its_promises(
    desk: Desk, mode: GenerationMode, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for signal in (request_started, request_finished):
        # Receivers close connections, and the test's transaction with them.
        monkeypatch.setattr(signal, "send", lambda **_: [])
    token = create_api_token(
        user=User.objects.get(is_staff=False), name="All", scope=ApiToken.Scope.SYNC
    )
    headers = {"Authorization": f"Bearer {token.text}", "Accept-Encoding": "identity"}
    for operation in operations():
        with subtests.test(operation.label):
            ask(operation, mode, headers)


def test_operations_that_say_all_are_known() -> None:
    known = {operation.definition.raw["operationId"] for operation in operations()}
    assert SAY_ALL - known == set()
