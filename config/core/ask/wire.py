"""The keys, messages and error format that asker and owner share."""

from __future__ import annotations

from typing import Any

import msgspec

from config.core.errors import ApplicationError, PermanentError, ProviderError, RateLimitedError
from config.core.redis.client import key


class Request(msgspec.Struct):
    id: str
    question: str
    arguments: dict[str, Any]


class PortableError(msgspec.Struct):
    code: str
    message: str
    provider: str = ""
    retry_after: float | None = None
    fields: dict[str, str] = {}


class Reply(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: PortableError | None = None


def _classes() -> dict[str, type[ApplicationError]]:
    found: dict[str, type[ApplicationError]] = {}
    waiting: list[type[ApplicationError]] = [ApplicationError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return found


def raisable(error: PortableError, service: str) -> ApplicationError:
    kind = _classes().get(error.code, PermanentError)
    provider = error.provider or service
    if issubclass(kind, RateLimitedError):
        return kind(error.message, provider=provider, retry_after=error.retry_after)
    if issubclass(kind, ProviderError):
        return kind(error.message, provider=provider, fields=error.fields)
    return kind(error.message, fields=error.fields)


def portable(error: ApplicationError) -> PortableError:
    return PortableError(
        code=error.code,
        message=error.message,
        provider=getattr(error, "provider", ""),
        retry_after=getattr(error, "retry_after", None),
        fields=error.fields,
    )


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def presence_key(service: str) -> str:
    return key("ask", service, "owner")


def requests_key(service: str) -> str:
    return key("ask", service, "requests")


def reply_key(request_id: str) -> str:
    return key("ask", "reply", request_id)
