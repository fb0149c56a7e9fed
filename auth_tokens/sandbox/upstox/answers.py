"""Upstox's error envelope."""

from __future__ import annotations

from starlette.responses import JSONResponse


def error_answer(status: int, code: str, message: str, *, path: str | None = None) -> JSONResponse:
    """``{"status": "error", "errors": [{errorCode, message, propertyPath, …}]}``."""
    error = {
        "errorCode": code,
        "message": message,
        "propertyPath": path,
        "invalidValue": None,
        "error_code": code,
        "property_path": path,
        "invalid_value": None,
    }
    return JSONResponse({"status": "error", "errors": [error]}, status_code=status)
