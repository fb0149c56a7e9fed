from config.celery import app as celery_application

__all__ = ["celery_application"]
