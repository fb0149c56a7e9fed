"""The containers of a copy of the tree, as the deployment guide starts them."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.architecture.source import ROOT
from tests.containers.engine import BUILD_SECONDS, Failed, compose_command, docker, run

PROJECT = "greekdesk-check"
OWN = ("web", "worker", "beat", "streams")
SERVERS = ("database", "redis", "cache")
HOST = "desk.example.org"
METRICS_TOKEN = secrets.token_urlsafe(24)


def copy_tree(folder: Path) -> None:
    """Copy what git knows, so that what lies around a checkout helps nothing to work."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = run(
        "git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def fill_in(example: str, values: Mapping[str, str]) -> str:
    """Return ``.env.example`` with these values, each in the line that explains it."""
    for name, value in values.items():
        example, found = re.subn(rf"(?m)^(# )?{name}=.*$", f"{name}={value}", example)
        if found != 1:
            raise Failed(f".env.example has {found} lines for {name}")
    return example


class Stack:
    """``folder`` holds the copy; ``images`` are the variables of the images to use."""

    def __init__(self, folder: Path, images: Mapping[str, str], *, proxy_port: int) -> None:
        self.folder = folder
        password = secrets.token_hex(24)
        key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.values = {
            "SECRET_KEY": secrets.token_urlsafe(64),
            "TOKEN_ENCRYPTION_KEYS": key,
            "ALLOWED_HOSTS": HOST,
            "CSRF_TRUSTED_ORIGINS": f"https://{HOST}",
            "DATABASE_URL": f"postgresql://greekdesk:{password}@database:5432/greekdesk",
            "REDIS_URL": "redis://redis:6379/0",
            "CACHE_URL": "redis://cache:6379/0",
            "POSTGRES_PASSWORD": password,
            "METRICS_TOKEN": METRICS_TOKEN,
            "METRICS_PORT": "9464",
            "TASTYTRADE_URL": "http://sandbox:9001/tastytrade",
            "TASTYTRADE_CLIENT_SECRET": "simulated-client-secret",  # pragma: allowlist secret
            "TASTYTRADE_REFRESH_TOKEN": "simulated-refresh-token",
            "PUBLISH": "127.0.0.1:0",
            "IMAGE": PROJECT,
        }
        own = {name: image for name, image in images.items() if name != "CADDY_IMAGE"}
        example = (folder / ".env.example").read_text()
        (folder / ".env").write_text(fill_in(example, self.values | own))
        os.environ |= {"CADDY_IMAGE": images["CADDY_IMAGE"], "PROXY_PORT": str(proxy_port)}
        overlay = str(folder / "tests/containers/compose.yaml")
        self._compose = [*compose_command(), "--project-name", PROJECT]
        self._compose += ["--project-directory", str(folder), "-f", str(folder / "compose.yaml")]
        self._compose += ["-f", overlay]

    def compose(self, *command: str, seconds: float = 300) -> str:
        return run(*self._compose, *command, seconds=seconds)

    def build(self) -> None:
        self.compose("build", "migrate", seconds=BUILD_SECONDS)
        self.compose("build", "worker", seconds=BUILD_SECONDS)

    def manage(self, *command: str, **variables: str) -> None:
        """Run a management command in a container of its own."""
        named = [part for name in variables for part in ("-e", f"{name}={variables[name]}")]
        self.compose("run", "--rm", "-T", *named, "web", *command)

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return what docker knows of a service's containers, running or ended."""
        labels = {"project": PROJECT, "service": service, "oneoff": "False"}
        chosen = [f"--filter=label=com.docker.compose.{key}={labels[key]}" for key in labels]
        names = docker("ps", "--all", "--quiet", *chosen).split()
        described: list[dict[str, Any]] = json.loads(docker("inspect", *names)) if names else []
        return described

    def container(self, service: str) -> dict[str, Any]:
        described = self.containers(service)
        if len(described) != 1:
            raise Failed(f"{service} has {len(described)} containers")
        return described[0]

    def is_well(self, service: str, *, most: int = 1) -> bool:
        """Whether it runs in so many containers, each by its own check healthy."""
        states = [container["State"] for container in self.containers(service)]
        return len(states) == most and all(
            state["Running"] and state.get("Health", {}).get("Status") == "healthy"
            for state in states
        )

    def scale(self, service: str, most: int) -> float:
        """Run it in so many containers; return the seconds until all are well."""
        self.compose("up", "--detach", "--no-recreate", "--scale", f"{service}={most}", service)
        return wait_until(
            lambda: self.is_well(service, most=most),
            what=f"{most} of {service}",
            explain=lambda: self.compose("logs", "--tail=20", service),
        )

    def kill(self, service: str) -> float:
        """Kill its process as a fault would, and return the seconds until it is well again."""
        pid = self.container(service)["State"]["Pid"]
        killer = f"import os; os.kill({pid}, 9)"
        image = f"{PROJECT}:latest"
        options = ("--rm", "--pid=host", "--user=0", "--entrypoint=python")
        docker("run", *options, image, "-c", killer)
        return wait_until(
            lambda: self.container(service)["State"]["Pid"] != pid and self.is_well(service),
            what=f"{service} after it was killed",
            explain=lambda: self.last_words(service),
        )

    def last_words(self, service: str) -> str:
        checks = self.container(service)["State"].get("Health", {}).get("Log", [])
        said = checks[-1]["Output"] if checks else ""
        return said + self.compose("logs", "--tail=20", service)

    def end(self) -> None:
        subprocess.run(
            [*self._compose, "down", "--volumes", "--timeout", "5", "--remove-orphans"],
            check=False,
            capture_output=True,
        )


def wait_until(
    holds: Callable[[], bool], *, what: str, explain: Callable[[], str] = str, seconds: float = 120
) -> float:
    """Return how many seconds it took. Raises ``Failed``."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise Failed(f"waited {seconds:.0f} s in vain for {what}:\n{explain()}")
        time.sleep(0.5)
    return time.monotonic() - started
