"""Environment of ``manage.py demo``, ``up`` and ``run_process``, set before Django loads: no Django
here."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from config.core.processes.environment import free_port, prepare_alone, prepare_environment

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
SANDBOX_PORT = "GREEKDESK_SANDBOX_PORT"
GATEWAY_PORT = "IBKR_SOCKET_PORT"


def prepare_demo_environment(arguments: Sequence[str]) -> None:
    """Point the adapters at the sandbox; keep demo data apart from a real desk's."""
    ports: set[int] = set()
    while len(ports) < 2:
        ports.add(free_port())
    sandbox_port, gateway_port = ports
    sandbox_url = f"http://{LOOPBACK}:{sandbox_port}"
    prepare_environment(
        {
            "DEMO": "1",
            # The sandbox trades around the clock, so there is always something to see.
            "MARKET_ALWAYS_OPEN": "1",
            "VAR_DIR": os.environ.get("VAR_DIR") or str(ROOT / "var" / "demo"),
            "WEBSOCKET_ORIGINS": ",".join(_origins(arguments)),
            SANDBOX_PORT: str(sandbox_port),
            "IBKR_PORTAL_URL": f"{sandbox_url}/ibkr_portal/v1/api",
            # The sandbox enforces the vendor's limits only when a test asks for it.
            "IBKR_PORTAL_ENDPOINT_SECONDS": "0",
            # Used with IBKR_CONNECTION=socket: the demo never reaches a real gateway.
            "IBKR_SOCKET_HOST": LOOPBACK,
            GATEWAY_PORT: str(gateway_port),
            "IBKR_FLEX_URL": f"{sandbox_url}/ibkr_flex",
            "IBKR_FLEX_TOKEN": "simulated-flex-token",
            "IBKR_FLEX_TOKEN_EXPIRES": "",
            "IBKR_FLEX_QUERY_ID": "900001",
            "TASTYTRADE_URL": f"{sandbox_url}/tastytrade",
            "TASTYTRADE_CLIENT_SECRET": "simulated-client-secret",  # pragma: allowlist secret
            "TASTYTRADE_REFRESH_TOKEN": "simulated-refresh-token",
            "POLYGON_URL": f"{sandbox_url}/polygon",
            "POLYGON_API_KEY": "simulated-polygon-key",  # pragma: allowlist secret
            "POLYGON_CALLS_PER_MINUTE": "60",
            "UPSTOX_URL": f"{sandbox_url}/upstox",
            **_upstox_credentials(),
            "CBOE_URL": f"{sandbox_url}/cboe",
            "GEX_SYMBOLS": "SPY,QQQ",
        }
    )


def _upstox_credentials() -> dict[str, str]:
    """Return a token the sandbox always accepts; with UPSTOX_LOGIN=browser, log-in credentials."""
    by_browser = os.environ.get("UPSTOX_LOGIN", "") == "browser"
    return {
        "UPSTOX_ANALYTICS_TOKEN": "" if by_browser else "simulated-analytics-token",
        "UPSTOX_LOGIN_URL": "",
        "UPSTOX_API_KEY": "simulated-upstox-key",  # pragma: allowlist secret
        "UPSTOX_API_SECRET": "simulated-upstox-secret",  # pragma: allowlist secret
        # Nothing listens there: the log-in ends before the redirect.
        "UPSTOX_REDIRECT_URI": f"http://{LOOPBACK}:9/upstox",
        "UPSTOX_MOBILE": "9000000001",
        "UPSTOX_TOTP_SECRET": "SANDBOXGREEKDESKTOTPSECRET234567",  # pragma: allowlist secret
        "UPSTOX_PIN": "204816",
    }


def prepare_up_environment(arguments: Sequence[str]) -> None:
    """Set up a real desk as configured; websockets default to the address served here."""
    named = os.environ.get("WEBSOCKET_ORIGINS") or os.environ.get("CSRF_TRUSTED_ORIGINS")
    prepare_environment({} if named else {"WEBSOCKET_ORIGINS": ",".join(_origins(arguments))})


PREPARATIONS = {
    "demo": prepare_demo_environment,
    "up": prepare_up_environment,
    "run_process": lambda _arguments: prepare_alone(),
}


def _origins(arguments: Sequence[str]) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--port", default="8000")
    port = parser.parse_known_args(arguments)[0].port
    return [f"http://{host}:{port}" for host in (LOOPBACK, "localhost")]
