"""What compose.yaml and the Dockerfile promise, read without docker: see `make containers`."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.conf import settings

from config.core.processes.desk import ROLES
from tests.architecture.source import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FOLDER = "/var/lib/greekdesk"


def test_image_holds_every_app() -> None:
    apps = {name.split(".")[0] for name in settings.INSTALLED_APPS}
    own = {app for app in apps if (ROOT / app).is_dir()}
    assert {"trades", "portfolio"} <= own
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert {app for app in own if f"!{app}" not in sent} == set()
    assert {app for app in own if f"COPY {app} ./{app}\n" not in DOCKERFILE} == set()


@pytest.mark.parametrize("role", ROLES)
def test_process_is_nobody_and_writes_to_its_own_folder_alone(role: str) -> None:
    service = COMPOSE["services"][role]
    [user] = set(re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE))
    assert service["read_only"]
    assert "user" not in service
    assert service["cap_drop"] == ["ALL"]
    kept = [each for each in service.get("volumes", ()) if each.endswith(f":{FOLDER}")]
    own = [each for each in service["tmpfs"] if each.startswith(f"{FOLDER}:")]
    assert len(kept + own) == 1
    # A tmpfs belongs to root unless it says otherwise; a new volume to whom the image says.
    assert all(f"uid={user},gid={user}" in each for each in own)


@pytest.mark.parametrize("role", ROLES)
def test_process_runs_by_itself_and_is_checked(role: str) -> None:
    service = COMPOSE["services"][role]
    assert service["command"][:2] == ["run_process", role]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][-2:] == ["config/core/processes/alive.py", role]
    assert (ROOT / "config/core/processes/alive.py").is_file()
