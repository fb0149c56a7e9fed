"""Error classes, by what the system does next.

``ApplicationError`` and its children are answers to a caller: the API error handler turns them into
``{"error": {...}}`` with their status. Adapters raise ``ProviderError`` and its children; callers
decide by class, never by a vendor's code.
"""

from __future__ import annotations

from collections.abc import Mapping


class ApplicationError(Exception):
    """An expected failure with a stable code. The caller gets the message; nothing is retried."""

    code = "application_error"
    status = 400

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = dict(fields or {})


class InvalidInput(ApplicationError):
    """The request has an invalid value. 400 with the fields; nothing changes."""

    code = "invalid_input"


def invalid(field: str, problem: str) -> InvalidInput:
    """Return the refusal of one field, whose name begins the message."""
    return InvalidInput(f"{field}: {problem}", fields={field: problem})


class NotFound(ApplicationError):
    """The object does not exist or is not the caller's; both look the same (404)."""

    code = "not_found"
    status = 404


class Forbidden(ApplicationError):
    """The caller sees the object but may not do this. 403; nothing changes."""

    code = "forbidden"
    status = 403


class Conflict(ApplicationError):
    """The request contradicts the current state. 409; the caller should read again."""

    code = "conflict"
    status = 409


class Unavailable(ApplicationError):
    """Something required is down. 503; last good values stay."""

    code = "unavailable"
    status = 503


class DatabaseUnavailable(Unavailable):
    """The database circuit breaker is open. Callers answer with stale data or 503."""

    code = "database_unavailable"


class LockHeld(ApplicationError):
    """Another process is working on the subject. Leave it to that process."""

    code = "lock_held"
    status = 409


class ProviderError(ApplicationError):
    """A provider call failed. Last good values stay with their age, and the run records it."""

    code = "provider_error"
    status = 502

    def __init__(
        self, message: str, *, provider: str = "", fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, fields=fields)
        self.provider = provider


class RetryableError(ProviderError):
    """Time-out, 5xx, dropped connection. Retried with jitter, then counted by the breaker."""

    code = "provider_unreachable"


class CircuitOpen(RetryableError):
    """The provider's breaker is open: no call was made. After the cool-down one call probes."""

    code = "provider_circuit_open"


class PermanentError(ProviderError):
    """The provider refused permanently (4xx, unusable body). No retry; an operator has to look."""

    code = "provider_refused"


class MalformedResponse(PermanentError):
    """The body violates the protocol (half JSON, HTML with 200, wrong types).

    The last good book stays; the next cycle asks again.
    """

    code = "provider_malformed"


class UnauthorisedError(ProviderError):
    """The credentials were refused (401). The session is renewed once and the call repeated."""

    code = "provider_unauthorised"


class ForbiddenError(PermanentError):
    """The provider forbids the call (403). Calls stop and the operator is alerted."""

    code = "provider_forbidden"


class RateLimitedError(ProviderError):
    """The provider or our own budget requires a wait of ``retry_after`` seconds."""

    code = "provider_rate_limited"
    status = 429

    def __init__(
        self, message: str, *, provider: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, provider=provider)
        self.retry_after = retry_after


class ProviderClosed(RateLimitedError):
    """The provider has opening hours and is closed. The next call waits ``retry_after`` seconds.

    Not a fault: it counts for neither breaker nor alerts.
    """

    code = "provider_closed"
    status = 503
