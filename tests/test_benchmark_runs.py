"""``make bench`` ends with an error when a row was not measured, and reads what it was sent."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import brotli
import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import home
from tests.benchmarks.client import Answer
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row


def row(monkeypatch: pytest.MonkeyPatch, name: str, measure: Any) -> None:
    monkeypatch.setitem(benchmarks.ROWS, name, name)
    monkeypatch.setitem(sys.modules, f"tests.benchmarks.{name}", SimpleNamespace(measure=measure))


def raising(error: Exception) -> Any:
    def measure(_options: object) -> list[Row]:
        raise error

    return measure


@pytest.mark.parametrize(
    "measure",
    [raising(NotMeasured("no Linux")), raising(ValueError("compressed")), lambda _options: []],
    ids=["not measured", "failed", "no figure"],
)  # fmt: skip
def test_row_that_was_not_measured_is_an_error_and_the_others_go_on(
    measure: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    good = [Row(name="good", measured=1.0, bar=2.0, unit="s")]
    row(monkeypatch, "broken", measure)
    row(monkeypatch, "good", lambda _options: good)
    figures = tmp_path / "figures.json"
    assert benchmarks.main(["broken", "good", "--json", str(figures)]) == 1
    assert "not measured: broken." in capsys.readouterr().err
    written = json.loads(figures.read_text())
    assert written["not_measured"] == ["broken"]
    assert [each["name"] for each in written["rows"]] == ["good"]
    assert benchmarks.main(["good"]) == 0


def test_row_whose_process_was_killed_says_by_what(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed = CompletedProcess([], -9, stdout="")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: killed)
    with pytest.raises(NotMeasured, match=r"journal:measure.*-9"):
        home.in_django("journal:measure", {"VAR_DIR": str(tmp_path)}, Options(rounds=5, idle=0.0))


@pytest.mark.parametrize(
    ("encoding", "encode"), [("identity", bytes), ("gzip", gzip.compress), ("br", brotli.compress)]
)
def test_compressed_answer_is_read_as_it_was(encoding: str, encode: Any) -> None:
    body = b'{"positions": []}'
    assert Answer(200, encode(body), 0.0, 0.0, encoding).content == body
