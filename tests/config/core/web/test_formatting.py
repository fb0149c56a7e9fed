"""Python and JavaScript format numbers, dates and ages the same: one table tests both."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.web import formatting

TABLE = Path(__file__).with_name("format_cases.json")
CASES: list[dict[str, Any]] = json.loads(TABLE.read_text())
NODE = shutil.which("node")

RUNNER = """
import { readFileSync } from "node:fs";
const format = await import(process.argv[1]);
const calls = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(calls.map(([name, ...rest]) => format[name](...rest))));
"""


def in_javascript(calls: list[list[Any]]) -> list[Any]:
    module = (Path(__file__).resolve().parents[4] / "static" / "js" / "base" / "format.js").as_uri()
    answer = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", RUNNER, module],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return list(json.loads(answer.stdout))


def call(name: str, arguments: list[Any]) -> str | None:
    function: Callable[..., str | None] = getattr(formatting, name)
    if name == "day" and arguments[0]:
        return function(date.fromisoformat(arguments[0]))
    if name == "moment" and arguments[0]:
        return function(datetime.fromisoformat(arguments[0]))
    return function(*arguments)


@pytest.mark.parametrize("case", CASES, ids=[f"{c['function']}{c['arguments']}" for c in CASES])
def test_a_value_is_written_as_the_table_says(case: dict[str, Any]) -> None:
    assert call(case["function"], case["arguments"]) == case["expected"]


@pytest.mark.skipif(
    NODE is None, reason="the browser tests run the same table where node is missing"
)
def test_javascript_writes_the_whole_table_alike() -> None:
    written = in_javascript([[case["function"], *case["arguments"]] for case in CASES])
    assert written == [case["expected"] for case in CASES]


@pytest.mark.skipif(NODE is None, reason="needs node to compare at random")
def test_javascript_and_python_agree_on_random_numbers() -> None:
    calls: list[list[Any]] = []

    @given(
        st.one_of(
            st.floats(-1e9, 1e9, allow_subnormal=False),
            st.floats(-2, 2),
            st.integers(-(10**9), 10**9).map(lambda eighths: eighths / 8),
            st.integers(-(10**9), 10**9).map(lambda cents: cents / 1000),
        )
    )
    def collect(value: float) -> None:
        names = ("number", "signed", "price", "quantity", "percent", "points", "compact")
        calls.extend([name, value] for name in names)
        calls.append(["number", value, 5])

    collect()
    written = in_javascript(calls)
    differing = [
        (asked, call(asked[0], asked[1:]), answer)
        for asked, answer in zip(calls, written, strict=True)
        if call(asked[0], asked[1:]) != answer
    ]
    assert differing == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_missing(value: float) -> None:
    assert formatting.number(value) is None
    assert formatting.compact(value) is None
    assert formatting.age(value) is None
