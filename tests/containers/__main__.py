"""``make containers``: build the images, run the whole stack, break it, stop it.

Uses docker's daemon and images, or makes what is missing: see ``engine`` and ``stand_ins``. What it
starts it ends; images stay, so that the next run is short. ``--keep`` leaves the stack running.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import time

from config.core.processes.environment import free_port
from tests.architecture.source import ROOT
from tests.containers.engine import Failed, daemon, docker
from tests.containers.stack import (
    HOST,
    METRICS_TOKEN,
    OWN,
    PROJECT,
    SERVERS,
    Stack,
    copy_tree,
    wait_until,
)
from tests.containers.stand_ins import chosen_images
from tests.containers.visitor import Visitor

FOLDER = ROOT / "var" / "containers"
LARGEST_IMAGE_MB = 500
USER = "10001"
WEB_PROCESSES = 4
PAGES = (
    *("/", "/risk", "/dashboard", "/portfolios", "/market", "/market/alerts", "/gex", "/trades"),
    *("/trades/statistics", "/trades/import", "/trades/signals", "/system", "/api/docs"),
    *("/accounts/tokens", "/accounts/second-factor", "/admin/"),
)


def say(what: str, value: str = "") -> None:
    sys.stdout.write(f"  {what:<52}{value}\n")
    sys.stdout.flush()


def check_containers(stack: Stack) -> None:
    """One process each, not root, nothing to write outside its own folders."""
    for service in OWN:
        described = stack.container(service)
        listed = docker("top", described["Id"], "-o", "uid,pid,comm").splitlines()[1:]
        users = {line.split()[0] for line in listed}
        work = [line for line in listed if "init" not in line]
        if users != {USER} or len(work) != 1:
            raise Failed(f"{service} runs {listed}")
        if not described["HostConfig"]["ReadonlyRootfs"]:
            raise Failed(f"{service} may write its code")
        if not stack.compose("logs", service).strip():
            raise Failed(f"{service} wrote no log")
        used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", described["Id"])
        say(f"{service}: one process of user {USER}, memory", used.split("/")[0].strip())


def check_metrics(stack: Stack) -> None:
    """As docs/deploying.md tells Prometheus: every process, from a container of the network."""
    script = (
        "import sys, urllib.request as r\n"
        "for target in sys.argv[2:]:\n"
        "    sent = {'Authorization': 'Bearer ' + sys.argv[1]}\n"
        "    q = r.Request(f'http://{target}/metrics', headers=sent)\n"
        "    assert b'greekdesk_' in r.urlopen(q, timeout=10).read(), target\n"
    )
    targets = ["web:8000", *(f"{service}:9464" for service in OWN if service != "web")]
    stack.compose("exec", "-T", "streams", "python", "-c", script, METRICS_TOKEN, *targets)
    say("metrics of every process", "read")


def check_killed(stack: Stack, visitor: Visitor) -> None:
    for service in (*OWN, *SERVERS):
        say(f"{service} killed; well again after", f"{stack.kill(service):.0f} s")
    well = lambda: visitor.health()["status"] in ("ok", "degraded")  # noqa: E731
    wait_until(well, what="health", explain=lambda: json.dumps(visitor.health()))
    seconds = wait_until(lambda: all(map(stack.is_well, (*OWN, *SERVERS))), what="every service")
    say("all well together after", f"{seconds:.0f} s")


def check_scaled(stack: Stack, visitor: Visitor) -> None:
    """Four web processes, each with a port of its own, know the same session."""
    say("4 of web well after", f"{stack.scale('web', WEB_PROCESSES):.0f} s")
    networks = [web["NetworkSettings"]["Networks"] for web in stack.containers("web")]
    addresses = [next(iter(each.values()))["IPAddress"] for each in networks]
    if len(set(addresses)) != WEB_PROCESSES:
        raise Failed(f"web listens at {addresses}")
    script = (
        "import sys, urllib.request as r\n"
        "for address in sys.argv[2:]:\n"
        "    sent = {'Host': sys.argv[1]}\n"
        "    r.urlopen(r.Request(f'http://{address}:8000/health', headers=sent), timeout=10)\n"
    )
    stack.compose("exec", "-T", "streams", "python", "-c", script, HOST, *addresses)
    held = visitor.positions()
    if any(visitor.positions() != held for _ in range(2 * WEB_PROCESSES)):
        raise Failed("the web processes show different books")
    stack.scale("web", 1)
    say("all of them answer; back to one")


def check_stopped(stack: Stack) -> None:
    for service in OWN:
        started = time.monotonic()
        stack.compose("stop", service)
        code = stack.container(service)["State"]["ExitCode"]
        if code:
            raise Failed(f"{service} ended with code {code}:\n{stack.last_words(service)}")
        say(f"{service} stopped by TERM, code 0, after", f"{time.monotonic() - started:.1f} s")


def check_pages(visitor: Visitor) -> None:
    """An image has only what it was built with: each page, and what the page names, must come."""
    for path in PAGES:
        page = visitor.ask("GET", path)
        named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        gone = [each for each in named if visitor.ask("GET", each).status_code != 200]
        if page.status_code != 200 or not named or gone:
            raise Failed(f"{path}: {page.status_code}, missing {gone}")
    say("pages with all their files", str(len(PAGES)))


def sync_an_account(stack: Stack, visitor: Visitor) -> None:
    stack.manage("add_account", "--broker", "TASTY", "--number", "5WX00001", "--owner", "trader")
    seconds = wait_until(
        lambda: visitor.positions() > 0,
        what="positions",
        explain=lambda: stack.last_words("worker"),
    )
    say(f"{visitor.positions()} positions from the sandbox after", f"{seconds:.0f} s")


def check(*, keep: bool) -> None:
    with daemon(FOLDER / "docker"):
        started = time.monotonic()
        images = chosen_images()
        say("bases", f"{time.monotonic() - started:.0f} s")
        copy_tree(FOLDER / "tree")
        port = free_port()
        stack = Stack(FOLDER / "tree", images, proxy_port=port)
        stack.end()
        try:
            check_stack(stack, port)
        finally:
            if not keep:
                stack.end()


def check_stack(stack: Stack, port: int) -> None:
    started = time.monotonic()
    stack.build()
    say("images built", f"{time.monotonic() - started:.0f} s")
    for image in (PROJECT, f"{PROJECT}-worker"):
        size = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        say(f"image {image}", f"{size:.0f} MB")
        if size > LARGEST_IMAGE_MB:
            raise Failed(f"{image} is larger than {LARGEST_IMAGE_MB} MB")
    started = time.monotonic()
    stack.compose("up", "--detach", seconds=600)
    for service in (*OWN, *SERVERS):
        wait_until(
            lambda name=service: stack.is_well(name),  # type: ignore[misc]
            what=service,
            explain=lambda name=service: stack.last_words(name),  # type: ignore[misc]
        )
    say("every service is healthy after", f"{time.monotonic() - started:.0f} s")
    check_containers(stack)
    check_metrics(stack)
    password = secrets.token_urlsafe(16)
    stack.manage(
        "createsuperuser",
        "--no-input",
        "--username",
        "trader",
        "--email",
        "trader@example.org",
        DJANGO_SUPERUSER_PASSWORD=password,
    )
    authority = "/data/caddy/pki/authorities/local/root.crt"
    visitor = Visitor(port, stack.compose("exec", "-T", "proxy", "cat", authority))
    visitor.sign_in("trader", password)
    say("signed in through the TLS proxy")
    sync_an_account(stack, visitor)
    check_pages(visitor)
    check_killed(stack, visitor)
    check_scaled(stack, visitor)
    sync_again = visitor.positions()
    say("positions after all that", str(sync_again))
    check_stopped(stack)


if __name__ == "__main__":
    try:
        check(keep="--keep" in sys.argv)
    except Failed as failed:
        sys.exit(f"make containers: {failed}")
