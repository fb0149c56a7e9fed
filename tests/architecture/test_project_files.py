"""Files that must say the same: locks and their sources, settings and .env.example, docs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.architecture.source import ROOT, parsed

SOURCES = sorted(ROOT.glob("requirements*.in"))
LOCKS = sorted(ROOT.glob("requirements*.txt"))
ADDRESS = re.compile(r"\b(?:https?|git|ssh|file)(?:\+\w+)?://|\bgit@", re.IGNORECASE)
PIN = re.compile(r"^([A-Za-z0-9_.\-\[\],]+)==([^ ;\\]+)", re.MULTILINE)


STATIC_NAME = re.compile(r"""["']((?:js|css)/[\w/.-]+\.(?:js|css))["']""")


def pins(lock: Path) -> set[tuple[str, str]]:
    return {(name.lower(), version) for name, version in PIN.findall(lock.read_text())}


@pytest.mark.parametrize("path", [*LOCKS, ROOT / "package-lock.json"], ids=lambda path: path.name)
def test_lock_names_no_address(path: Path) -> None:
    named = [line for line in path.read_text().splitlines() if ADDRESS.search(line)]
    # What a package says of itself (funding, home page) is no download address.
    assert [line for line in named if '"url"' not in line] == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_hash(path: Path) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", path.read_text(), flags=re.MULTILINE)
    requirements = [block for block in blocks if PIN.match(block)]
    assert requirements
    assert [block.splitlines()[0] for block in requirements if "--hash=sha256:" not in block] == []


def test_every_front_end_file_has_an_integrity_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert {"node_modules/uplot", "node_modules/axe-core"} <= set(installed)
    for name, entry in installed.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


def test_development_lock_holds_the_runtime_lock() -> None:
    """Set-up keeps a development environment for `make run`: it must be the same packages."""
    runtime, development = pins(ROOT / "requirements.txt"), pins(ROOT / "requirements-dev.txt")
    assert runtime - development == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_dependency_has_a_sentence(path: Path) -> None:
    explained, missing = False, []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif not line.strip():
            explained = False
        elif not line.startswith("-r") and not explained:
            missing.append(line)
    assert missing == []


def _settings_read() -> set[str]:
    """Names that the settings take from the environment, and compose.yaml from .env."""
    names = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    for path in (ROOT / "config" / "settings").glob("*.py"):
        if path.name == "test.py":
            continue
        for node in ast.walk(parsed(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called, first = node.func, node.args[0]
            asks = isinstance(called, ast.Attribute) and ast.unparse(called.value) == "env"
            if asks and isinstance(first, ast.Constant):
                names.add(str(first.value))
    return names


def _settings_explained() -> set[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {
        found.group(1) for line in lines if (found := re.match(r"^#? ?([A-Z][A-Z0-9_]+)=", line))
    }


def test_every_setting_of_the_environment_is_explained_and_no_other() -> None:
    # Set by the supervisor, not by an operator; and read by libraries themselves when they load.
    internal = {"PROCESS_ROLE", "DEMO", "MARKET_CLOCK", "MARKET_ALWAYS_OPEN"}
    before = {"DJANGO_SETTINGS_MODULE", "PROMETHEUS_MULTIPROC_DIR"}
    assert _settings_read() - internal == _settings_explained() - before


def test_every_variable_of_the_example_has_a_sentence() -> None:
    explained, missing = False, []
    for line in (ROOT / ".env.example").read_text().splitlines():
        variable = re.match(r"^#? ?[A-Z][A-Z0-9_]+=", line)
        if variable and not explained:
            missing.append(line)
        elif line.startswith("#") and not variable:
            explained = True
        elif not line.strip():
            explained = False
    assert missing == []


def _documents() -> list[Path]:
    # Outside a git checkout (an image, an archive) the files themselves are looked for.
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    return [ROOT / name for name in listed] or [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in _documents():
        text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = unquote(target).partition("#")
            found = (document.parent / path).resolve() if path else document
            missing = not found.exists()
            if not missing and anchor and found.suffix == ".md":
                missing = anchor not in _anchors(found)
            if missing:
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_named_script_and_style_sheet_is_there() -> None:
    """Where static files are collected under hashed names, a page that names another is a 500."""
    apps = ("auth_tokens", "config", "greeks", "portfolio", "trades")
    code = [file for app in apps for file in (ROOT / app).rglob("*.py")]
    templates = list((ROOT / "templates").rglob("*.html"))
    named = {
        name
        for file in [*code, *templates]
        for name in STATIC_NAME.findall(file.read_text(encoding="utf-8"))
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / "static" / name).is_file()] == []


def test_decisions_are_numbered_in_order() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert record.read_text(encoding="utf-8").startswith(f"# {int(record.name[:4])}. ")
