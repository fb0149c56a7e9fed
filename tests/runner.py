"""``make test``, ``check``, ``audit``, ``bench`` and so on, in the environment set up.

Each ends with exit code 0 only when everything that it names has run and passed.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers.chromium import browser_program, browser_ready
from tests.servers.postgres import NoPostgres, running_postgres

ROOT = Path(__file__).resolve().parent.parent
# Together twice a small machine's cores: on SQLite they begin with the browser, the faults and the
# demo, which often wait. Each more collects all tests and builds what a process keeps: a minute of
# processor time. With one less the cores idle at the end.
WORKERS = {"SQLite": "3", "PostgreSQL": "1"}
CHECKS_AT_ONCE = 3
MYPY_WORKERS = "2"
WITHOUT_ARCHITECTURE = ("--ignore=tests/architecture",)
# SQLite runs every case. Of many that ask the same, PostgreSQL runs one: another in each run.
CASES_ON_POSTGRES = ("--cases", "1")
ON_POSTGRES = "database and not any_database and not browser"
RAN_NOTHING = 5
# Lines, in percent.
COVERED = "95"
COVERAGE = ROOT / ".venv" / "var" / "coverage.json"
# Probes stay in: see tests/steady_probes.py.
MEASURED = ("slipcover", "--threshold", "-1", "--json", "--out", str(COVERAGE), "-m")
# Nothing here has their keys, and each search costs a pass over every line.
UNUSED_SERVICES = (
    *("Artifactory", "AzureStorageKey", "Cloudant", "IbmCloudIam", "IbmCosHmac", "Mailchimp"),
    *("Npm", "OpenAI", "SendGrid", "Softlayer", "SquareOAuth", "Stripe", "TwilioKey"),
)
LIGHTHOUSE = "lighthouse@12.8.2"
TYPED = ("config", "portfolio", "trades", "greeks", "auth_tokens", "tests")
# Hashes of packages and recorded numbers, in which a scanner sees secrets.
UNSCANNED = r"^(requirements[-a-z]*\.txt|package-lock\.json)$"
# In code a literal has quotes or digits, except the line that a private key begins with.
WITHOUT_LITERALS = ("--exclude-lines", r"""^(?!.*-----BEGIN)[^"'0-9]*$""")


def run(
    *command: str,
    quiet: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a command of the environment in the checkout. ``quiet``: shown only when it fails."""
    done = _done(*command, quiet=quiet, environment=environment)
    if quiet and done.returncode:
        sys.stdout.write(done.stdout[-20_000:])
    return done.returncode


def _done(
    *command: str, quiet: bool, environment: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
        | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        errors="replace",
        check=False,
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def test(arguments: Sequence[str]) -> int:
    """Run the suite on SQLite with coverage, and on PostgreSQL what uses the database.

    `make check` runs the tests of the architecture. Chromium sees no database. With ``arguments``
    every case runs on both. Side by side, since many tests wait; PostgreSQL's output comes last.
    """
    loud = browser_ready()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(_test_on_postgres, arguments)
        say("\nOn SQLite:")
        # A part of the suite covers a part of the code: the bar is for the whole.
        measured = () if arguments else MEASURED
        sqlite = run(*measured, *_pytest("SQLite", arguments), environment={"DATABASE_URL": ""})
        # Apart from the run: a bar there would read what the workers wrote, and show nothing of it.
        uncovered = 0 if arguments else _coverage()
        postgres, output = other.result()
    say(f"\nOn PostgreSQL:\n{output}")
    if loud:
        sys.stderr.write(f"\n{loud}\n")
    if uncovered:
        sys.stderr.write(f"make test: the tests cover less than {COVERED} % of the lines.\n")
    for name, code in (("SQLite", sqlite), ("PostgreSQL", postgres)):
        if code:
            ended = "ran no test" if code == RAN_NOTHING else f"ended with code {code}"
            sys.stderr.write(f"make test: the run on {name} {ended}.\n")
    return int(bool(sqlite or postgres or uncovered))


def _pytest(database: str, arguments: Sequence[str]) -> list[str]:
    return ["pytest", "-n", WORKERS[database], *(arguments or WITHOUT_ARCHITECTURE)]


def _test_on_postgres(arguments: Sequence[str]) -> tuple[int, str]:
    """Return the exit code and what was printed."""
    cases = () if arguments else CASES_ON_POSTGRES
    command = [*_pytest("PostgreSQL", arguments), "-m", ON_POSTGRES, *cases]
    try:
        with running_postgres() as url:
            done = _done(*command, quiet=True, environment={"DATABASE_URL": url})
    except NoPostgres as reason:
        return 1, f"PostgreSQL did not start: {reason}"
    return done.returncode, done.stdout


def _coverage() -> int:
    """Show which lines no test ran; fail below the bar."""
    written = str(COVERAGE)
    return run("slipcover", "--merge", written, "--out", written, "--fail-under", COVERED)


def check(_arguments: Sequence[str]) -> int:
    """Run every check that does not need a running desk."""
    steps: Mapping[str, Callable[[], int]] = {
        "types": lambda: run("mypy", "-n", MYPY_WORKERS, *TYPED, quiet=True),
        "lint": lambda: run("ruff", "check", ".", quiet=True),
        "format": lambda: run("ruff", "format", "--check", ".", quiet=True),
        "templates": _templates,
        "migrations": lambda: _django("makemigrations", "--check", "--dry-run"),
        "deployment": _deployment,
        "secrets": _secrets,
        # All tests are collected for it, and so compiled: the workers of `make test` would each do
        # that at once.
        "architecture": lambda: run("pytest", "-k", "architecture", quiet=True),
    }
    failed = []

    def timed(step: Callable[[], int]) -> tuple[int, float]:
        started = time.monotonic()
        return step(), time.monotonic() - started

    # Side by side: the types alone take as long as all the others.
    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        running = {name: pool.submit(timed, step) for name, step in steps.items()}
        for name, step_run in running.items():
            code, seconds = step_run.result()
            say(f"  {name:<14}{'FAILED' if code else 'ok':<8}{seconds:5.1f} s")
            if code:
                failed.append(name)
    if failed:
        say(f"make check: {', '.join(failed)} failed.")
    return int(bool(failed))


def _django(*arguments: str, **environment: str) -> int:
    return run("django", *arguments, quiet=True, environment={"DATABASE_URL": ""} | environment)


def _templates() -> int:
    lint = run("djlint", "templates", "--lint", "--quiet", quiet=True)
    layout = run("djlint", "templates", "--check", "--quiet", quiet=True)
    return lint or layout


def _deployment() -> int:
    """Django's deployment checks, with the settings and the kind of secrets of production."""
    return _django(
        *("check", "--deploy", "--fail-level", "INFO"),
        DJANGO_SETTINGS_MODULE="config.settings.production",
        SECRET_KEY=secrets.token_urlsafe(64),
        TOKEN_ENCRYPTION_KEYS=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        ALLOWED_HOSTS="desk.example.org",
        CSRF_TRUSTED_ORIGINS="https://desk.example.org",
        DATABASE_URL=f"postgresql://greekdesk:{secrets.token_hex(16)}@127.0.0.1/greekdesk",
        REDIS_URL="redis://127.0.0.1:6379/0",
        CACHE_URL="redis://127.0.0.1:6380/0",
        DEMO="",
    )


def _secrets() -> int:
    """Fail on anything in tracked files that looks like a secret and is not marked as harmless."""
    listed = subprocess.run(
        [shutil.which("git") or "git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    files = [name for name in listed.stdout.split("\0") if name]
    if not files:
        say("  secrets: no tracked file to scan")
        return 1
    tests = [name for name in files if name.startswith("tests/")]
    code = [name for name in files if name.endswith((".py", ".js")) and name not in tests]
    others = [name for name in files if name not in {*tests, *code}]
    # Tests are full of made-up passwords by name; what looks like a real key is found there too.
    without_names = ("--disable-plugin", "KeywordDetector", *WITHOUT_LITERALS)
    return _scan(others) or _scan(code, *WITHOUT_LITERALS) or _scan(tests, *without_names)


def _scan(files: Sequence[str], *options: str) -> int:
    # A line on which ruff was told that this is no secret need not be told twice.
    told = ["--exclude-lines", r"noqa: S10[567]", "--exclude-files", UNSCANNED]
    # It hides nothing here, and takes a quarter of the time.
    told += ["--disable-filter", "detect_secrets.filters.heuristic.is_indirect_reference"]
    for service in UNUSED_SERVICES:
        told += ["--disable-plugin", f"{service}Detector"]
    scanned = subprocess.run(
        [sys.executable, "-m", "detect_secrets", "scan", *told, *options, *files],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if scanned.returncode:
        say(scanned.stderr[-2000:])
        return scanned.returncode
    found = json.loads(scanned.stdout)["results"]
    for name, rows in found.items():
        for row in rows:
            say(f"  {name}:{row['line_number']}: {row['type']}")
    return int(bool(found))


def audit(_arguments: Sequence[str]) -> int:
    """Check the locked packages for known vulnerabilities. An audit of nothing fails."""
    options = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]
    locks = [
        part for name in ("requirements", "requirements-dev") for part in ("-r", f"{name}.txt")
    ]
    audited = subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, *locks],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        rows = json.loads(audited.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        rows = []
    looked_at = [row for row in rows if "skip_reason" not in row]
    vulnerable = [row for row in looked_at if row["vulns"]]
    for row in vulnerable:
        ids = ", ".join(vulnerability["id"] for vulnerability in row["vulns"])
        say(f"  {row['name']} {row['version']}: {ids}")
    for row in rows:
        if "skip_reason" in row:
            say(f"  {row['name']} was not audited: {row['skip_reason']}")
    if not looked_at or len(looked_at) < len(rows):
        say(audited.stderr[-2000:])
        say(f"make audit: {len(looked_at)} of {len(rows)} packages could be audited.")
        return 1
    say(f"{len(looked_at)} packages audited, {len(vulnerable)} vulnerable.")
    return int(bool(vulnerable))


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmarks one after the other, with nothing else running."""
    return run("tests.benchmarks", *arguments)


def lighthouse(arguments: Sequence[str]) -> int:
    """Measure every page of the running desk at the address given; 1 if a page is below the bar."""
    npm = shutil.which("npm")
    missing = browser_ready() or ("" if npm else "make lighthouse needs npm, with Node.js.")
    if missing or npm is None:
        say(missing)
        return 1
    folder = ROOT / ".venv" / "var" / "lighthouse"
    install = ("install", "--prefix", str(folder), "--no-audit", "--no-fund", LIGHTHOUSE)
    installed = subprocess.run([npm, *install], cwd=ROOT, check=False)
    if installed.returncode:
        return installed.returncode
    settings = {
        "LIGHTHOUSE": str(folder),
        "URL": arguments[0],
        "NAME": os.environ.get("NAME", "demo"),
        "PASSWORD": os.environ.get("PASSWORD", "demo"),
        "CHROME_PATH": browser_program() or "",
    }
    script = str(ROOT / "tests" / "lighthouse" / "measure.mjs")
    return subprocess.run(["node", script], env=os.environ | settings, check=False).returncode


COMMANDS = {
    "test": test,
    "check": check,
    "audit": audit,
    "bench": bench,
    "lighthouse": lighthouse,
    "containers": lambda arguments: run("tests.containers", *arguments),
}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](sys.argv[2:]))
