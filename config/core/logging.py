"""One log format for our events and every library's: structured, bound, redacted."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog

from config.core.redaction import redact

# Keys structlog adds itself; they cannot hold secrets.
_OWN_KEYS = frozenset({"timestamp", "level", "logger"})
_LONGEST_REFUSAL = 200


def redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Redact as the last step before rendering: message, fields and traceback."""
    kept = {name: event[name] for name in _OWN_KEYS if name in event}
    cleaned: MutableMapping[str, Any] = redact(
        {name: value for name, value in event.items() if name not in _OWN_KEYS}
    )
    cleaned.update(kept)
    return cleaned


class RefusalsAreShort(logging.Filter):
    """Reduce each 4xx from Django (unknown host, body too large) to at most one short warning, so
    anonymous requests cannot fill the log with tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not (record.name.startswith("django.") and getattr(record, "status_code", 500) < 500):
            return True
        record.msg, record.args = record.getMessage()[:_LONGEST_REFUSAL], ()
        record.exc_info = record.exc_text = None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return logging.getLogger().isEnabledFor(record.levelno)


def logging_config(*, json: bool, level: str) -> dict[str, Any]:
    """``settings.LOGGING``, and structlog set up to go through it.

    ``json``: one JSON object a line for machines, else lines for a person at a terminal.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    rendering: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Plain tracebacks: no local variables, which hold secrets.
        structlog.processors.format_exc_info,
        redact_event,
    ]
    if json:
        rendering.append(structlog.processors.JSONRenderer(default=str))
    else:
        rendering.append(structlog.dev.ConsoleRenderer(colors=False, pad_event_to=28))
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "desk": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": rendering,
                "foreign_pre_chain": shared,
            }
        },
        "filters": {"refusals": {"()": RefusalsAreShort}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                # A logger with its own level ignores the root's.
                "level": level,
                "formatter": "desk",
                "filters": ["refusals"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # These log full URLs at INFO, including query strings.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            # One line a request is written by config.core.monitoring.middleware.
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "uvicorn": {"handlers": [], "level": "INFO", "propagate": True},
            "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
            "celery": {"handlers": [], "level": "INFO", "propagate": True},
            # Logs a line for each received task, every five seconds.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
            "django_structlog": {"level": "WARNING"},
            "stamina": {"level": "INFO"},
            "axes": {"level": "WARNING"},
        },
    }
