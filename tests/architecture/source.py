"""What the architecture tests read: the project's own modules and what they import."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "auth_tokens", "greeks", "portfolio", "trades")


@dataclass(frozen=True, slots=True)
class Import:
    """One import, anywhere in the module. ``target`` may be a module or a name in one."""

    module: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def parsed(source: str) -> ast.Module:
    """Return the syntax tree of a source, with the garbage collector held.

    On Python 3.11 a collection that parses something itself breaks the parse it interrupts
    ("AST constructor recursion depth mismatch", CPython issue 106905).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_on:
            gc.enable()


def module_paths() -> Iterator[tuple[str, Path]]:
    """Yield every module of the product by its dotted name; migrations are generated."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts:
                yield ".".join(parts).removesuffix(".__init__"), path


def imports_of(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Yield all imports of a module, including those in functions and under ``TYPE_CHECKING``."""
    parts = module.split(".")
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = parts[: len(parts) - node.level + is_package]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                yield Import(module, node.lineno, f"{base}.{alias.name}")


@cache
def all_imports() -> list[Import]:
    return [
        found
        for module, path in module_paths()
        for found in imports_of(module, path.read_text(), is_package=path.name == "__init__.py")
    ]
