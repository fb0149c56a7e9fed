"""``GET /metrics`` for Prometheus, restricted."""

from __future__ import annotations

import hmac
import os
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.core.errors import Forbidden
from config.core.monitoring.counting import hand_on
from config.core.web.middleware import client_address

# Collected when asked, and the same for every process.
_shared = CollectorRegistry()


def register_collector(collector: Collector) -> None:
    """Add metrics collected when Prometheus asks, such as those of a queue in Redis."""
    _shared.register(collector)


@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for staff, holders of ``METRICS_TOKEN``, and this machine."""
    if not _may_read_metrics(request):
        raise Forbidden("Metrics are for staff or the holder of the metrics token.")
    return HttpResponse(collect_metrics(), content_type=CONTENT_TYPE_LATEST)


def collect_metrics() -> bytes:
    """Collect metrics of this process, or of all processes sharing a folder (`manage.py up`)."""
    hand_on()
    registry: Collector = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        # Web processes, workers and streams write to the folder; any web process answers for all.
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(_shared)


def _may_read_metrics(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is not None and user.is_active and user.is_staff:
        return True
    scheme, _, offered = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    if token and scheme == "Bearer" and hmac.compare_digest(offered.encode(), token.encode()):
        return True
    return _is_on_this_machine(request)


def _is_on_this_machine(request: HttpRequest) -> bool:
    # Behind a local proxy everyone comes from loopback; forwarded requests are not local.
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False
    try:
        return ip_address(client_address(request)).is_loopback
    except ValueError:
        return False
