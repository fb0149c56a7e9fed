"""The market's tasks: importing the package registers them all with Celery."""

from greeks.tasks import alerts, gex, market

__all__ = ["alerts", "gex", "market"]
