"""Labels of a chart's axis: no two read alike, zero reads 0, units stay readable."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")
CHARTS = Path(__file__).resolve().parents[4] / "static" / "js" / "charts"

RUNNER = """
import { readFileSync } from "node:fs";
const { axisTexts } = await import(process.argv[1]);
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(axisTexts)));
"""


def axis_texts(axes: list[list[float]]) -> list[list[str]]:
    answer = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", RUNNER, (CHARTS / "axis_texts.js").as_uri()],
        input=json.dumps(axes),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return list(json.loads(answer.stdout))


def test_axes_are_labelled_with_the_unit_and_decimals_their_steps_need() -> None:
    cases: list[tuple[list[float], list[str]]] = [
        ([0, 10_000, 20_000], ["0", "10k", "20k"]),
        ([-2e9, 0, 2e9], ["−2B", "0", "2B"]),
        ([0, 0.5e6, 1e6], ["0", "0.5M", "1.0M"]),
        ([-0.1, 0.1 - 0.1 + 2.8e-17, 0.1], ["−0.1", "0", "0.1"]),
        ([0, 2.5, 5], ["0", "2.5", "5.0"]),
        ([0, 0.00001, 0.00002], ["0", "0.00001", "0.00002"]),
        # Decimals of a large unit give way to a smaller one.
        ([1_000_000, 1_000_001, 1_000_002], ["1,000,000", "1,000,001", "1,000,002"]),
        ([1_200_500, 1_201_000], ["1,200.5k", "1,201.0k"]),
        # Seven decimals would make these all alike.
        ([0, 2e-9, 4e-9], ["0", "2e−9", "4e−9"]),
        ([-2.5e-9, 0, 2.5e-9], ["−2.5e−9", "0", "2.5e−9"]),
        ([0], ["0"]),
        ([3e12, 4e12], ["3T", "4T"]),
    ]
    assert axis_texts([axis for axis, _ in cases]) == [texts for _, texts in cases]


def test_no_two_labels_of_any_axis_read_alike() -> None:
    """Every step that uPlot may choose, around zero and far from it."""
    axes = [
        [(first + place) * lead * 10.0**power for place in range(6)]
        for power in range(-12, 13)
        for lead in (1, 2, 2.5, 5)
        for first in (-3, 0, 7, 4_000)
    ]
    for axis, texts in zip(axes, axis_texts(axes), strict=True):
        assert len(set(texts)) == len(axis), (axis, texts)
        assert [text for value, text in zip(axis, texts, strict=True) if value == 0] in ([], ["0"])
