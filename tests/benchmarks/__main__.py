"""``make bench``: run the benchmarks and compare them with their bars. See docs/benchmarks.md.

Ends with code 0 when every row was measured, whether it holds its bar or not, and otherwise with an
error that names the rows that were not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row, report

#: Row → module with ``measure(options)``.
ROWS = {
    "risk-page": "risk_page",
    "front-door": "front_door",
    "market-data": "market_data",
    "market-viewers": "market_viewers",
    "slow-clients": "slow_clients",
    "cold-load": "cold_load",
    "sync-write": "sync_write",
    "one-change": "one_change",
    "sockets": "sockets",
    "sockets-1000": "sockets_1000",
    "memory": "memory",
    "memory-sockets": "memory_sockets",
    "greeks": "greeks",
    "gex": "gex",
    "dashboard": "dashboard",
    "implied-vols": "implied_vols",
    "american": "american",
    "scenario-grid": "scenario_grid",
    "chain-poll": "chain_poll",
    "update-queue": "update_queue",
    "journal": "journal",
    "update-storm": "update_storm",
    "price-to-pixel": "price_to_pixel",
    "year": "year",
    "set-up": "set_up",
}
FEWEST_ROUNDS = 5


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"all by default: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS, help="5 or more")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds before memory is read")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}: there are {', '.join(ROWS)}")
    if chosen.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds: a median of fewer than {FEWEST_ROUNDS} says little")
    options = Options(rounds=chosen.rounds, idle=chosen.idle)
    rows: list[Row] = []
    failed: list[str] = []
    _say(f"{_machine()}\n{_load()}")
    for name in chosen.rows or ROWS:
        _say(f"\nMeasuring {name} …")
        try:
            measured = import_module(f"tests.benchmarks.{ROWS[name]}").measure(options)
        except Exception as reason:  # noqa: BLE001 - the other rows can be measured all the same
            failed.append(name)
            kind = "" if isinstance(reason, NotMeasured) else f"{type(reason).__name__}: "
            _say(f"NOT MEASURED: {kind}{reason}")
            continue
        if not measured:
            failed.append(name)
            _say("NOT MEASURED: no figure.")
            continue
        _say(report(measured))
        rows += measured
    if len(chosen.rows or ROWS) > 1 and rows:
        _say(f"\n{report([Row(**asdict(row) | {'note': ''}) for row in rows])}")
    _say(f"\n{_load()}")
    if chosen.json:
        facts = {"at": datetime.now(UTC).isoformat(), "machine": _machine(), "rows": rows_of(rows)}
        facts["not_measured"] = failed
        chosen.json.write_text(json.dumps(facts, indent=2) + "\n")
    if failed:
        sys.stderr.write(f"Error: not measured: {', '.join(failed)}.\n")
    return int(bool(failed))


def rows_of(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [asdict(row) | {"ratio": row.ratio, "holds": row.holds} for row in rows]


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _load() -> str:
    """Say how busy the machine is: bars in ms mean little on a busy one."""
    load = os.getloadavg()[0]
    busy = " BUSY: figures that are not ratios of one round are too high." if load > 1.5 else ""
    return f"Load average of the last minute: {load:.1f}.{busy}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
