"""What the desk's processes share, because it is made before they are forked."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.options import Options

from config.core.processes.desk import _describe_models
from config.core.processes.environment import prepare_environment


def test_models_are_described_without_a_connection() -> None:
    described: list[str] = []
    concrete = Options.get_field

    def counted(options: Options[Any], name: str) -> object:
        described.append(options.label)
        return concrete(options, name)

    before = [connections[alias] for alias in connections]
    try:
        with (
            patch.object(Options, "get_field", counted),
            patch.object(BaseDatabaseWrapper, "connect", side_effect=AssertionError("connects")),
        ):
            _describe_models()
        assert set(described) >= {model._meta.label for model in apps.get_models()}
        assert all(
            connections[alias] is not old for alias, old in zip(connections, before, strict=True)
        )
    finally:
        for alias, old in zip(connections, before, strict=True):
            connections[alias] = old


def test_processes_of_a_desk_leave_djangos_checks_out() -> None:
    with patch.dict(os.environ, {"REDIS_URL": "redis://127.0.0.1:9/0"}):
        prepare_environment({})
        assert os.environ["CELERY_SKIP_CHECKS"] == "1"
