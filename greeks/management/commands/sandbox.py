"""``manage.py sandbox``: the simulated market and every provider's server, on loopback."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.errors import ApplicationError
from config.core.sandbox.server import Sandbox, open_market


class Command(BaseCommand):
    help = (
        "Serve one simulated market in every provider's own protocol, on loopback. "
        "Prints the addresses; stops on Ctrl-C or TERM."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
        parser.add_argument("--port", type=int, default=0, help="0 (default): any free port")
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
            action="append",
            default=[],
            metavar="SERVER=FOLDER",
            help="serve the folder's recorded answers before the simulated ones; repeatable",
        )
        parser.add_argument(
            "--listen",
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
        try:
            market = open_market(
                seed=options["seed"], chain=options["chain"], always_open=options["always_open"]
            )
            sandbox = Sandbox(
                market=market,
                host=options["host"],
                port=options["port"],
                limits=options["limits"],
                recorded=_recorded_folders(options["recorded"]),
                listener_ports=_listener_ports(options["listen"]),
            )
        except ApplicationError as error:
            raise CommandError(error.message) from error

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


def _recorded_folders(arguments: list[str]) -> dict[str, list[Path]]:
    folders: dict[str, list[Path]] = {}
    for argument in arguments:
        name, separator, folder = argument.partition("=")
        if not separator or not name or not folder:
            raise CommandError(f"--recorded: {argument!r} is not SERVER=FOLDER")
        folders.setdefault(name, []).append(Path(folder))
    return folders


def _listener_ports(arguments: list[str]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for argument in arguments:
        name, _, port = argument.partition("=")
        if not name or not port.isdecimal() or int(port) > 65535:
            raise CommandError(f"--listen: {argument!r} is not NAME=PORT")
        ports[name] = int(port)
    return ports
