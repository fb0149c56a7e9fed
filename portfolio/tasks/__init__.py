"""The portfolio's tasks: importing the package registers them all with Celery."""

from portfolio.tasks import book, risk

__all__ = ["book", "risk"]
