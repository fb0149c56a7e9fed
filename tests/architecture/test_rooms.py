"""The rooms: who may import whom, what writes, and where a reader finds an answer.

The tables stand in ``docs/architecture.md``, so that the document cannot grow old.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.architecture.rooms import (
    COMPOSING,
    DOORS,
    app_and_room,
    module_of,
    room_imports,
    section,
    writes,
)
from tests.architecture.source import ROOT, all_imports, imports_of, module_paths, parsed

IMPORTS = all_imports()
MODULES = dict(module_paths())
FEWEST_QUESTIONS = 30
MOST_LINES = 300
MOST_LINES_OF_TESTS = 400
MOST_MODULES = 16


def allowed_imports() -> dict[tuple[str, str], set[str]]:
    return {
        (app.strip("`"), room.strip("`")): set(others.replace("–", "").split())
        for app, room, others in section("Which room imports which")
    }


def writing_modules() -> set[str]:
    """Modules that change rows, and those outside doors that call a function of one."""
    direct = {name for name, path in MODULES.items() if writes(path.read_text())}
    calling = {
        entry.module
        for entry in IMPORTS
        if (target := module_of(entry.target, set(MODULES))) in direct
        and target is not None
        and entry.target.removeprefix(target + ".")[:1].islower()
    }
    return {
        name
        for name in direct | calling
        if app_and_room(name)[1] not in COMPOSING and name.rpartition(".")[2] not in DOORS
    }


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return every path that comes back to where it began, once for each node it is found from."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> None:
        if node in path:
            found.append([*path[path.index(node) :], node])
        elif node not in done:
            for other in sorted(graph.get(node, ())):
                walk(other, [*path, node])
            done.add(node)

    for node in sorted(graph):
        walk(node, [])
    return found


def test_rooms_import_what_the_document_says_and_nothing_else() -> None:
    used = {
        key: others - {"models"}
        for key, others in room_imports(IMPORTS).items()
        if key[1] not in COMPOSING and others - {"models"}
    }
    assert used == allowed_imports()


@pytest.mark.parametrize("app", ["config/core", "auth_tokens", "greeks", "portfolio"])
def test_rooms_of_an_app_form_no_circle(app: str) -> None:
    graph = {room: others for (owner, room), others in allowed_imports().items() if owner == app}
    assert circles(graph) == []


def test_modules_form_no_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for entry in IMPORTS:
        target = module_of(entry.target, set(MODULES))
        if target is not None and target != entry.module:
            graph[entry.module].add(target)
    # A package that imports its own modules, and they it, is one thing.
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            graph[name] = {other for other in graph[name] if not other.startswith(name + ".")}
    assert circles(graph) == []


def test_what_writes_is_listed_and_nothing_else_writes() -> None:
    listed = {
        f"{app}.{room}.{module}".replace("`", "").replace("/", ".")
        for app, room, modules in section("What writes")
        for module in modules.split()
    }
    assert writing_modules() == listed


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("Account.objects.filter(pk=1).update(label='x')", True),
        ("row.save(update_fields=['label'])", True),
        ("upsert(Account, ('pk',), rows, unique=('pk',))", True),
        ("cursor.execute('DELETE FROM quotes')", True),
        ("totals.update({'delta': 1.0})", False),
        ("Account.objects.filter(pk=1).first()", False),
    ],
)
def test_writing_is_recognised(source: str, written: bool) -> None:
    assert writes(source) is written


def test_circle_is_recognised() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c", "a"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []


def test_reader_that_imports_a_writer_is_recognised() -> None:
    found = list(
        imports_of("portfolio.book.reading", "from portfolio.sync.store import store_book")
    )
    assert module_of(found[0].target, set(MODULES)) == "portfolio.sync.store"


def test_every_place_that_the_document_names_is_there() -> None:
    questions = section("Where to look")
    missing = []
    for question, place in questions:
        path, _, name = place.strip("`").partition(":")
        file = ROOT / path
        if not file.exists():
            missing.append(f"{question} {path}")
        elif name and name not in _names(file):
            missing.append(f"{question} {path} has no {name}")
    assert missing == []
    assert len(questions) >= FEWEST_QUESTIONS


def _names(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(parsed(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_modules_are_short() -> None:
    tests = {str(path.relative_to(ROOT)): path for path in (ROOT / "tests").rglob("*.py")}
    long = {
        name: count
        for modules, most in ((MODULES, MOST_LINES), (tests, MOST_LINES_OF_TESTS))
        for name, path in modules.items()
        if (count := len(path.read_text().splitlines())) > most
    }
    assert long == {}


def test_folders_are_small() -> None:
    folders: dict[Path, int] = defaultdict(int)
    for path in MODULES.values():
        folders[path.parent] += path.name != "__init__.py"
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder, count in folders.items()
        if count > MOST_MODULES
    }
    assert crowded == {}
