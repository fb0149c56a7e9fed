"""Every kind of the recorded identity cases has a test that walks it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.identity_cases import all_identity_cases

TESTS = Path(__file__).parent


def test_each_recorded_kind_is_walked_by_a_test() -> None:
    kinds = all_identity_cases().keys() - {"about"}
    walked = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r'identity_cases\("(\w+)"\)', file.read_text(encoding="utf-8"))
    }
    assert walked == kinds
