"""The Celery application."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

from config.core.background.progress import FinalMessagesStep, WatchStep
from config.core.background.worker_loop import WakeStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("greekdesk", fixups=["config.core.background.connections:fixup"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.steps["worker"].add(WatchStep)
app.steps["consumer"].add(WakeStep)
app.steps["consumer"].add(FinalMessagesStep)
app.autodiscover_tasks()


def _keep_our_logging(**_: Any) -> None:
    """Logging is already configured; a receiver here stops Celery from doing it again."""


setup_logging.connect(_keep_our_logging)
