"""``/metrics`` for Prometheus, which asks by address and without TLS.

A web process answers in front of Django: Django would redirect plain HTTP and refuse the host.
Other processes that run by themselves have a server of their own, on ``METRICS_PORT``.
"""

from __future__ import annotations

import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from config.core.front_door.asgi import Application, Receive, Scope, Send
from config.core.monitoring.scraping import collect_metrics
from config.core.threads import ThreadPool

PATH = "/metrics"
_SLOW_SECONDS = 10


def holds_token(authorization: str) -> bool:
    """Return whether the header's bearer token is ``METRICS_TOKEN``; never if none is set."""
    scheme, _, offered = authorization.partition(" ")
    token = settings.METRICS_TOKEN
    return bool(
        token
        and scheme.lower() == "bearer"
        and hmac.compare_digest(offered.strip().encode(), token.encode())
    )


class MetricsDoor:
    """Answers holders of the token; whoever else asks passes, and Django decides."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._thread = ThreadPool("metrics", most=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != PATH or scope["method"] != "GET":
            await self.application(scope, receive, send)
            return
        offered = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        if not holds_token(offered):
            await self.application(scope, receive, send)
            return
        body = await self._thread(collect_metrics)
        headers = [
            (b"content-type", CONTENT_TYPE_LATEST.encode("ascii")),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        self._thread.close()


class _Handler(BaseHTTPRequestHandler):
    timeout = _SLOW_SECONDS

    def do_GET(self) -> None:
        if self.path != PATH:
            self.send_error(404)
        elif not holds_token(self.headers.get("Authorization", "")):
            self.send_error(401)
        else:
            body = collect_metrics()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing: Prometheus asks several times a minute."""


def metrics_server(host: str, port: int) -> ThreadingHTTPServer:
    """Open the server of a process that serves nothing else, for ``serve_forever``.

    Raises ``OSError``.
    """
    server = ThreadingHTTPServer((host, port), _Handler)
    server.daemon_threads = True
    return server
