r"""Patterns of digits mean 0 to 9: Python's ``\d`` matches every script's."""

from __future__ import annotations

import ast

from tests.architecture.source import module_paths, parsed

_OURS = ("sandbox", "migrations", "demo", "setup")
#: Hides what could be a literal of a statement, whatever its script.
_HIDES = "config.core.monitoring.statements"


def digits_of_any_script(source: str) -> list[int]:
    r"""Return the lines of calls of ``re`` with a text pattern of ``\d`` and without ASCII."""
    return [
        node.lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith("re.")
        and node.args
        and (pattern := ast.unparse(node.args[0])).count("\\d")
        and not pattern.startswith("b")
        and "re.ASCII" not in ast.unparse(node)
    ]


def test_every_pattern_of_digits_is_ascii() -> None:
    found = {
        module: lines
        for module, path in module_paths()
        if module != _HIDES
        and not set(_OURS) & set(module.split("."))
        and (lines := digits_of_any_script(path.read_text()))
    }
    assert found == {}


def test_pattern_of_any_script_is_found() -> None:
    assert digits_of_any_script('re.compile(r"a\\d")\nre.compile(r"\\d", re.ASCII)') == [1]
