"""What reaches the log of requests that strangers send: one short line each."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from config.core.logging import logging_config

pytestmark = [pytest.mark.urls("tests.config.core.urls")]


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What our handler writes at a level, WARNING unless the test names another."""
    written = io.StringIO()
    config = logging_config(json=False, level=getattr(request, "param", "WARNING"))
    config["handlers"]["stderr"]["stream"] = written
    logging.config.dictConfig(config)
    yield written
    logging.config.dictConfig(settings.LOGGING)


@pytest.mark.django_db
def test_host_that_is_not_ours_is_one_warning_without_a_trace(log: io.StringIO) -> None:
    response = Client().get("/api/rows/1", headers={"host": "evil" * 500})
    assert response.status_code == 400
    lines = log.getvalue().splitlines()
    assert len(lines) == 1, log.getvalue()
    assert "[warning  ] Invalid HTTP_HOST header: 'evilevil" in lines[0]
    assert len(lines[0]) < 400


@pytest.mark.django_db
def test_body_too_large_is_one_warning_without_a_trace(
    log: io.StringIO, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = Client().post("/api/orders", {"name": "x" * 200}, "application/json")
    assert response.status_code == 413
    lines = log.getvalue().splitlines()
    assert len(lines) == 1, log.getvalue()
    assert "[warning  ] Request body exceeded" in lines[0]


@pytest.mark.django_db
@pytest.mark.parametrize("log", ["ERROR"], indirect=True)
def test_warning_of_a_stranger_is_none_where_warnings_are_not_wanted(log: io.StringIO) -> None:
    Client().get("/api/rows/1", headers={"host": "evil"})
    assert log.getvalue() == ""


@pytest.mark.parametrize("log", ["ERROR"], indirect=True)
def test_logger_with_a_level_of_its_own_is_held_to_the_level_that_is_wanted(
    log: io.StringIO,
) -> None:
    logging.getLogger("stamina").warning("stamina.retry_scheduled")
    assert log.getvalue() == ""


def test_failure_of_ours_keeps_its_level_and_its_trace(log: io.StringIO) -> None:
    try:
        raise RuntimeError("ours")
    except RuntimeError as error:
        logging.getLogger("django.request").error(
            "Internal Server Error", exc_info=error, extra={"status_code": 500}
        )
    assert "[error    ] Internal Server Error" in log.getvalue()
    assert "RuntimeError: ours" in log.getvalue()
