"""Production starts with good values, and refuses each bad one in a line that names it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from importlib import import_module

import pytest
from django.core.exceptions import ImproperlyConfigured

import config
from tests.architecture.source import ROOT


def address(log_in: str, *, scheme: str = "postgresql") -> str:
    """Return a database's address with a made-up user and password."""
    return f"{scheme}://{log_in}@127.0.0.1/greekdesk"


GOOD = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "kX9v-" * 4 + "aB3dE6gH9jLmN0pQ" * 3,
    "TOKEN_ENCRYPTION_KEYS": base64.urlsafe_b64encode(bytes(range(32))).decode(),
    "ALLOWED_HOSTS": "desk.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://desk.example.org",
    "DATABASE_URL": address("greekdesk:9f86d081884c7d65"),
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "CACHE_URL": "redis://127.0.0.1:6380/0",
}


def load(monkeypatch: pytest.MonkeyPatch, **changed: str) -> None:
    """Load production's settings as a new process would, with nothing else in the environment."""
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"]}
    with monkeypatch.context() as patch:
        for name in os.environ:
            patch.delenv(name)
        for name, value in (kept | GOOD | changed).items():
            patch.setenv(name, value)
        for name in [name for name in sys.modules if name.startswith("config.settings")]:
            patch.delitem(sys.modules, name)
        # The import replaces the attribute, too.
        patch.setattr(config, "settings", None)
        import_module("config.settings.production")


def diffsettings(**changed: str) -> subprocess.CompletedProcess[str]:
    """What `manage.py` says when it loads these settings."""
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"]}
    return subprocess.run(
        [sys.executable, "manage.py", "diffsettings"],
        cwd=ROOT,
        env=kept | GOOD | changed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_good_values_load() -> None:
    loaded = diffsettings(
        CSRF_TRUSTED_ORIGINS="https://desk.example.org,https://*.example.net:8443"
    )
    assert loaded.returncode == 0, loaded.stderr
    assert "SESSION_COOKIE_SECURE = True" in loaded.stdout


@pytest.mark.parametrize(
    ("name", "value"), [("SECRET_KEY", ""), ("DATABASE_URL", address("g:admin1234"))]
)
def test_refusal_is_one_line_without_the_value(name: str, value: str) -> None:
    loaded = diffsettings(**{name: value})
    assert loaded.returncode == 1
    [said] = loaded.stderr.strip().splitlines()
    assert said.startswith("Greekdesk: ")
    assert name in said
    assert "admin1234" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in GOOD if name != "DJANGO_SETTINGS_MODULE"),
        ("SECRET_KEY", "short-0123456789"),
        ("SECRET_KEY", "x" * 64),
        ("SECRET_KEY", "insecure-" + "aB3dE6gH9jLmN0pQ" * 3),
        ("TOKEN_ENCRYPTION_KEYS", "aB3dE6gH9jLmN0pQ" * 2),
        ("TOKEN_ENCRYPTION_KEYS", "A" * 43 + "="),
        ("TOKEN_ENCRYPTION_KEYS", f"{GOOD['TOKEN_ENCRYPTION_KEYS']},second"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "desk.example.org,*"),
        ("ALLOWED_HOSTS", "https://desk.example.org"),
        ("CSRF_TRUSTED_ORIGINS", "http://desk.example.org"),
        ("CSRF_TRUSTED_ORIGINS", "https://desk.example.org,http://other.example.org"),
        ("CSRF_TRUSTED_ORIGINS", "https://*"),
        ("CSRF_TRUSTED_ORIGINS", "desk.example.org"),
        ("WEBSOCKET_ORIGINS", "http://desk.example.org"),
        ("DATABASE_URL", "sqlite:////tmp/desk.sqlite3"),
        ("DATABASE_URL", address("greekdesk:9f86d081884c7d65", scheme="mysql")),
        ("DATABASE_URL", "127.0.0.1/greekdesk"),
        ("DATABASE_URL", address("greekdesk")),
        ("DATABASE_URL", address("greekdesk:")),
        ("DATABASE_URL", address("g:postgres", scheme="postgres")),
        (
            "DATABASE_URL",
            address("somebody:SomeBody", scheme="postgres"),
        ),
        ("DATABASE_URL", address("g:greekdesk", scheme="postgres")),
        ("DATABASE_URL", address("g:admin1234", scheme="postgres")),
        ("DATABASE_URL", address("g:x7Kq", scheme="postgres")),
        ("DEMO", "true"),
    ],
)
def test_bad_value_is_refused_in_one_line_that_names_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(monkeypatch, **{name: value})
    [said] = str(refused.value).splitlines()
    assert name in said
