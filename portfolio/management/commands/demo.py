"""``manage.py demo``: the whole desk on this machine, fed by the simulated market."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.commands.options import port
from config.core.processes.desk import TARGETS, Desk, serve
from config.core.processes.environment import is_prepared
from config.core.processes.process import ProcessSpec
from portfolio.demo.launch import GATEWAY_PORT, LOOPBACK, SANDBOX_PORT
from portfolio.demo.seed import DEMO_NAME, DEMO_PASSWORD, recorded_clock
from portfolio.management.loaded import LOADED


class Command(DeskCommand):
    help = (
        "Serve the whole desk on loopback, fed by the simulated market or a recorded chain: web, "
        "worker, beat, sandbox and an embedded Valkey. Ctrl-C stops everything."
    )
    requires_system_checks: list[str] = []
    serves = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=port, default=8000)
        parser.add_argument(
            "--seed", type=int, default=1, help="the same seed gives the same market"
        )
        parser.add_argument(
            "--chain", type=Path, metavar="FILE", help="a recorded chain, with a frozen clock"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_prepared():
            raise CommandError(
                "start it as `manage.py demo`: it prepares the environment before Django loads."
            )
        chain = options["chain"].expanduser().resolve() if options["chain"] else None
        if chain:
            self._stop_the_clock(chain)
        code = serve(self._desk(port=options["port"], seed=options["seed"], chain=chain))
        if code:
            raise SystemExit(code)

    def _stop_the_clock(self, chain: Path) -> None:
        """Set every process's market clock to when the chain was recorded."""
        settings.MARKET_CLOCK = recorded_clock(chain)
        os.environ["MARKET_CLOCK"] = settings.MARKET_CLOCK

    def _desk(self, *, port: int, seed: int, chain: Path | None) -> Desk:
        sandbox = ["sandbox", "--port", os.environ[SANDBOX_PORT], "--seed", str(seed)]
        sandbox += ["--listen", f"ibkr_socket={os.environ[GATEWAY_PORT]}"]
        if chain:
            sandbox += ["--chain", str(chain)]
        server = ProcessSpec(
            name="sandbox",
            target=f"{TARGETS}:run_command",
            options={"arguments": sandbox},
            foundation=True,
        )
        seeding = {"seed": seed, "chain": str(chain or "")}
        data = Path(settings.VAR_DIR)
        return Desk(
            data=data,
            host=LOOPBACK,
            port=port,
            before=(server,),
            loaded=LOADED,
            steps=(
                ("portfolio.demo.seed.prepare_demo", seeding),
                ("greeks.market.demo.prepare_market", seeding),
            ),
            ready_lines=(
                "",
                f"  Greekdesk  http://{LOOPBACK}:{port}",
                f"  Log in as  {DEMO_NAME} / {DEMO_PASSWORD}   (simulated accounts)",
                f"  Logs       {data / 'logs'}",
                "  Ctrl-C stops everything.",
                "",
            ),
        )
