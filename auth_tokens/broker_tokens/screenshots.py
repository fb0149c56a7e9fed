"""Pictures of failed log-in pages, kept for the operator of this machine."""

from __future__ import annotations

import os
import secrets
from typing import Final

import structlog
from django.conf import settings

from config.core.clock import now

KEPT_A_PROVIDER: Final = 20
logger = structlog.get_logger(__name__)


def save_screenshot(provider: str, picture: bytes) -> str:
    """Write a picture only this user can read; return its file name, empty on failure.

    Keeps a provider's newest twenty. Typed fields are blanked before it is taken.
    """
    folder = settings.VAR_DIR / "log_ins"
    name = f"{provider}-{now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(picture)
        for old in sorted(folder.glob(f"{provider}-*.png"))[:-KEPT_A_PROVIDER]:
            old.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("token.screenshot_lost", reason=type(error).__name__)
        return ""
    return name
