"""The ASGI application: front door and websockets, with Django in a bounded thread pool behind.

Why threads and not Django's own ASGI handler: docs/decisions/0003-django-behind-a-thread-pool.md.
What the front door answers itself: docs/decisions/0016-front-door.md.
"""

from __future__ import annotations

import os
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

import django

django.setup()

from a2wsgi import WSGIMiddleware  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402
from django.conf import settings  # noqa: E402

from config.core.front_door.application import FrontDoor  # noqa: E402
from config.core.front_door.asgi import Receive, Scope, Send  # noqa: E402
from config.core.front_door.resources import registered_resources  # noqa: E402
from config.core.live.origins import KnownOrigins  # noqa: E402
from config.core.serving.health import HealthDoor  # noqa: E402
from config.core.serving.metrics import MetricsDoor  # noqa: E402
from config.core.serving.request_bodies import BodiesFirst  # noqa: E402
from config.routing import websocket_urlpatterns  # noqa: E402
from config.wsgi import application as wsgi_application  # noqa: E402

WEB_THREADS = settings.WEB_THREADS

# The library types every ASGI message; ours are the server's plain dictionaries. Without a limit
# of the queue a thread never waits for a client that is slow to read.
django_threads: Any = WSGIMiddleware(
    cast(Any, wsgi_application), workers=WEB_THREADS, send_queue_size=0
)
django_application = BodiesFirst(django_threads)
metrics_application = MetricsDoor(django_application)
health_application = HealthDoor(metrics_application)
http_application = FrontDoor(health_application, registered_resources())
websocket_application = KnownOrigins(
    CookieMiddleware(URLRouter(websocket_urlpatterns)), settings.WEBSOCKET_ORIGINS
)


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's startup and shutdown; resources open on first use."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await http_application.close()
            health_application.close()
            metrics_application.close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    kind = scope["type"]
    if kind == "http":
        await http_application(scope, receive, send)
    elif kind == "websocket":
        await websocket_application(scope, receive, send)
    elif kind == "lifespan":
        await lifespan(receive, send)
    else:
        raise ValueError(f"unknown ASGI scope type {kind!r}")
