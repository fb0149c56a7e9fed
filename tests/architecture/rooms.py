"""What ``docs/architecture.md`` says of the rooms, and what the modules do, side by side."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping

from tests.architecture.source import ROOT, Import, module_paths, parsed

#: Rooms that put an app together: they may import every room of it.
COMPOSING = {"", "admin", "management", "tasks", "templatetags", "models", "migrations"}
#: Modules by role that may call what writes, in any room.
DOORS = {"api", "views", "page", "consumer", "receivers", "apps", "health", "demo"}

_CREATING = {"create", "bulk_create", "bulk_update", "update_or_create", "get_or_create"}
_STATEMENTS = re.compile(r"\s*(INSERT INTO|UPDATE \S+ SET|DELETE FROM)\b")


def section(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of the architecture document."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    body = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def app_and_room(module: str) -> tuple[str, str]:
    """``portfolio.sync.run`` → ``("portfolio", "sync")``; a module of the app itself has ``""``."""
    parts = module.replace("config.core", "config/core").split(".")
    app = parts[0]
    room = parts[1] if len(parts) > 1 and (ROOT / app / parts[1]).is_dir() else ""
    return app, room


def module_of(target: str, known: set[str]) -> str | None:
    """Return the module of an import's target; None if it is not ours."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target or None


def room_imports(imports: list[Import]) -> Mapping[tuple[str, str], set[str]]:
    """For each room, the rooms of the same app that it imports."""
    known = {name for name, _ in module_paths()}
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in imports:
        target = module_of(entry.target, known)
        if target is None:
            continue
        (app, room), (other_app, other) = app_and_room(entry.module), app_and_room(target)
        if app == other_app and other not in ("", room):
            found[app, room].add(other)
    return found


_WRITERS = ("upsert", "upsert_each", "insert_rows", "insert_missing", "update_rows")


def writes(source: str) -> bool:
    """Return whether a module's own code changes rows.

    By the ORM, by a function of ``config.core.upsert`` or by a statement.
    """
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _STATEMENTS.match(node.value):
                return True
        elif isinstance(node, ast.Call) and _is_write(node):
            return True
    return False


def _is_write(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _WRITERS
    if not isinstance(call.func, ast.Attribute):
        return False
    on_rows = re.search(r"\.objects\b|\.filter\(|\.exclude\(", ast.unparse(call.func))
    if call.func.attr in _CREATING:
        return bool(on_rows)
    if call.func.attr in ("update", "delete"):
        return bool(on_rows)
    return call.func.attr == "save" and isinstance(call.func.value, ast.Name)
