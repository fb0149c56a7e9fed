"""``manage.py sandbox``: the simulated market and every provider's server, on loopback."""

from __future__ import annotations

import json
import signal
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import port
from config.core.sandbox.server import Sandbox, open_market


class Command(DeskCommand):
    help = (
        "Serve one simulated market in every provider's own protocol, on loopback. "
        "Prints the addresses; stops on Ctrl-C or TERM."
    )
    requires_system_checks: list[str] = []
    serves = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
        parser.add_argument("--port", type=port, default=0, help="0 (default): any free port")
        parser.add_argument(
            "--seed", type=int, default=1, help="the same seed gives the same market"
        )
        parser.add_argument(
            "--chain", type=Path, metavar="FILE", help="a recorded chain, with a frozen clock"
        )
        hours = parser.add_mutually_exclusive_group()
        hours.add_argument(
            "--always-open",
            action="store_true",
            default=True,
            help="prices move at any hour (default)",
        )
        hours.add_argument(
            "--sessions",
            action="store_false",
            dest="always_open",
            help="prices move only in the exchanges' sessions",
        )
        parser.add_argument(
            "--recorded",
            type=_folder_of,
            action="append",
            default=[],
            metavar="SERVER=FOLDER",
            help="serve the folder's recorded answers before the simulated ones; repeatable",
        )
        parser.add_argument(
            "--listen",
            type=_port_of,
            action="append",
            default=[],
            metavar="NAME=PORT",
            help="the port of a server that is not HTTP (default: any free one); repeatable",
        )
        parser.add_argument(
            "--limits",
            action="store_true",
            help="enforce the vendors' rate limits, including their long penalties",
        )
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        market = open_market(
            seed=options["seed"], chain=options["chain"], always_open=options["always_open"]
        )
        recorded: dict[str, list[Path]] = {}
        for name, folder in options["recorded"]:
            recorded.setdefault(name, []).append(folder)
        sandbox = Sandbox(
            market=market,
            host=options["host"],
            port=options["port"],
            limits=options["limits"],
            recorded=recorded,
            listener_ports=dict(options["listen"]),
        )

        # Also during uvicorn's start-up; it raises the signal again once stopped, and a requested
        # stop is no error.
        def stop(*_: object) -> None:
            sandbox.stop()

        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, stop)
        self._announce(sandbox, as_json=options["json"])
        sandbox.run()
        if not options["json"]:
            self.stdout.write("The sandbox stopped.")

    def _announce(self, sandbox: Sandbox, *, as_json: bool) -> None:
        market = sandbox.market
        clock = market.now().isoformat() if market.frozen else ""
        if as_json:
            self.stdout.write(
                json.dumps({"servers": sandbox.addresses(), "market_clock": clock, "ready": True})
            )
        else:
            self.stdout.write("The sandbox serves simulated data:")
            for name, address in sandbox.addresses().items():
                self.stdout.write(f"  {name:14} {address}")
            for listener in sandbox.listeners.values():
                self.stdout.write(f"  desk settings: {listener.usage}")
            if clock:
                self.stdout.write(f"  the market's clock is frozen at {clock}")
        self.stdout.flush()


def _folder_of(argument: str) -> tuple[str, Path]:
    name, _, folder = argument.partition("=")
    if not name or not folder:
        raise ArgumentTypeError(f"{argument!r} is not SERVER=FOLDER")
    return name, Path(folder)


def _port_of(argument: str) -> tuple[str, int]:
    name, _, number = argument.partition("=")
    if not name or not number:
        raise ArgumentTypeError(f"{argument!r} is not NAME=PORT")
    return name, port(number)
