"""``manage.py demo``: the whole desk on this machine, fed by the simulated market."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from config.core.errors import ApplicationError
from config.core.supervision.desk import TARGETS, Desk, serve
from config.core.supervision.environment import free_port, is_prepared, start_anew
from config.core.supervision.processes import ProcessSpec
from portfolio.services.demo import DEMO_NAME, DEMO_PASSWORD, provider_environment

HOST = "127.0.0.1"
SANDBOX_PORT = "GREEKDESK_SANDBOX_PORT"


class Command(BaseCommand):
    help = (
        "Serve the whole desk on loopback, fed by the simulated market or a recorded chain: web, "
        "worker, beat, sandbox and an embedded Valkey. Ctrl-C stops everything."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--seed", type=int, default=1, help="the same seed, the same market")
        parser.add_argument(
            "--chain", type=Path, metavar="FILE", help="a recorded chain; its clock stands still"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_prepared():
            environment, data = self._environment(options)
            start_anew(environment, data=data)
        code = serve(self._desk(options))
        if code:
            raise SystemExit(code)

    def _environment(self, options: dict[str, Any]) -> tuple[dict[str, str], Path]:
        """What the settings of every process depend on, and the folder of the demo's data."""
        # Apart from the real desk's: the demo's log-in is known to everyone.
        data = Path(os.environ.get("VAR_DIR") or settings.VAR_DIR / "demo")
        sandbox_port = free_port()
        origins = f"http://{HOST}:{options['port']},http://localhost:{options['port']}"
        environment = {
            "VAR_DIR": str(data),
            "DEMO": "1",
            "MARKET_CLOCK": self._market_clock(options["chain"]),
            "WEBSOCKET_ORIGINS": origins,
            SANDBOX_PORT: str(sandbox_port),
        }
        return environment | provider_environment(f"http://{HOST}:{sandbox_port}"), data

    def _market_clock(self, chain: Path | None) -> str:
        """The instant at which a recorded chain's clock stands, or nothing."""
        if chain is None:
            return ""
        try:
            market = import_string("config.core.sandbox.server.open_market")(chain=chain)
        except ApplicationError as error:
            raise CommandError(error.message) from error
        return str(market.now().isoformat())

    def _desk(self, options: dict[str, Any]) -> Desk:
        chain = str(options["chain"].resolve()) if options["chain"] else ""
        sandbox = ["sandbox", "--port", os.environ[SANDBOX_PORT], "--seed", str(options["seed"])]
        if chain:
            sandbox += ["--chain", chain]
        server = ProcessSpec(
            name="sandbox", target=f"{TARGETS}:run_command", options={"arguments": sandbox}
        )
        seeding = {"seed": options["seed"], "chain": chain}
        return Desk(
            data=Path(settings.VAR_DIR),
            host=HOST,
            port=options["port"],
            before=(server,),
            steps=(("portfolio.services.demo.prepare_demo", seeding),),
            ready_lines=(
                "",
                f"  Greekdesk  http://{HOST}:{options['port']}",
                f"  Log in as  {DEMO_NAME} / {DEMO_PASSWORD}   (simulated accounts)",
                f"  Logs       {Path(settings.VAR_DIR) / 'logs'}",
                "  Ctrl-C stops everything.",
                "",
            ),
        )
