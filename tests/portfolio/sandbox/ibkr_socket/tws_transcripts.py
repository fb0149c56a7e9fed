"""The recorded transcripts of a real gateway, line by line; where they are not, tests skip."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Row = dict[str, Any]

#: Message number → what the transcripts call it.
KINDS = {
    1: "tick_price",
    2: "tick_size",
    4: "api_error",
    5: "open_order",
    3: "order_status",
    6: "update_account_value",
    7: "update_portfolio",
    8: "update_account_time",
    9: "next_valid_id",
    10: "contract_details",
    11: "execution_detail",
    15: "managed_accounts",
    17: "historical_bar",
    52: "contract_details_end",
    53: "open_order_end",
    54: "account_download_end",
    55: "executions_end",
    57: "tick_snapshot_end",
    58: "market_data_type",
    59: "commission_report",
    61: "position",
    62: "position_end",
    63: "account_summary",
    64: "account_summary_end",
    71: "position_multi",
    72: "position_multi_end",
    73: "account_update_multi",
    74: "account_update_multi_end",
    81: "tick_req_params",
    94: "pnl",
    95: "pnl_single",
    102: "completed_order_end",
}


def transcripts() -> Path:
    root = Path(__file__).resolve().parents[4]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    if not (folder / "tws").is_dir():
        pytest.skip("the recorded transcripts are not here")
    return folder / "tws"


def lines(pattern: str = "*.txt") -> Iterator[tuple[str, str, Row]]:
    """Who spoke, what, and with which fields."""
    for file in sorted(transcripts().glob(pattern)):
        for line in file.read_text().splitlines():
            who, _, rest = line.partition(" ")
            kind, _, body = rest.partition(" ")
            if who in ("server", "client"):
                yield who, kind, json.loads(body or "{}")


def recorded(kind: str) -> list[Row]:
    rows = [row for who, said, row in lines() if (who, said) == ("server", kind)]
    assert rows
    return rows


def recorded_error(code: int) -> Row:
    return next(row for row in recorded("api_error") if row["code"] == code)
