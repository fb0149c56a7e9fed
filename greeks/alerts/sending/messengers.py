"""Send a message by Apprise: which addresses are accepted, and the outcome of an attempt.

Only services in ``MESSENGERS`` that the settings allow are loaded, each from its own module: all
of Apprise costs three times the memory. An address is a secret (it holds bot tokens and
passwords), so errors name only its service and host.

A user's address must not reach this desk's own network (unless the operator allows it), send local
files (Apprise's ``template=``), follow redirects, switch off encryption or certificate checks. So
only parameters on an allow-list are accepted.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from config.core.errors import InvalidInput, invalid
from greeks.alerts.sending.public_only import NotPublic, is_private_name, public_only

logger = structlog.get_logger(__name__)

CONNECT_SECONDS = 4.0
READ_SECONDS = 10.0
#: Give up on a receiver that sends its answer a byte at a time.
LONGEST_SECONDS = 20.0
LONGEST_ADDRESS = 1024
_ACCEPTED_PARAMETERS = frozenset(
    {
        "auth", "bcc", "cc", "from", "method", "mode", "name", "priority", "reply", "silent",
        "smtp", "sound", "tags", "thread", "to", "topic",
    }
)  # fmt: skip
_REFUSAL = re.compile(r"error[=: ]+(\d{3})\b|\((\d{3})\)", re.ASCII)
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Messenger:
    """An Apprise service. ``own_host``: the address names a server of the user's choice."""

    label: str
    plugin: str
    own_host: bool = False


def _plugin(name: str) -> str:
    return f"apprise.plugins.{name}"


MESSENGERS: Mapping[str, Messenger] = {
    "tgram": Messenger(label="Telegram", plugin=_plugin("telegram.NotifyTelegram")),
    "discord": Messenger(label="Discord", plugin=_plugin("discord.NotifyDiscord")),
    "slack": Messenger(label="Slack", plugin=_plugin("slack.NotifySlack")),
    "pover": Messenger(label="Pushover", plugin=_plugin("pushover.NotifyPushover")),
    "ntfys": Messenger(label="ntfy", plugin=_plugin("ntfy.NotifyNtfy"), own_host=True),
    "gotifys": Messenger(label="Gotify", plugin=_plugin("gotify.NotifyGotify"), own_host=True),
    "mailtos": Messenger(label="E-mail", plugin=_plugin("email.NotifyEmail"), own_host=True),
    "jsons": Messenger(label="Webhook", plugin=_plugin("custom_json.NotifyJSON"), own_host=True),
    "json": Messenger(label="Webhook", plugin=_plugin("custom_json.NotifyJSON"), own_host=True),
}


class Outcome(StrEnum):
    """The outcome of an attempt, which decides what happens next."""

    SENT = "sent"
    #: The receiver refused and would refuse again.
    REFUSED = "refused"
    #: Not taken this time.
    AGAIN = "again"
    #: Sent without an answer: it may have arrived.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome of an attempt; ``error`` is for the user and holds no secret."""

    outcome: Outcome
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The parts of an address that may be shown."""

    service: str
    host: str


def accepted_schemas() -> tuple[str, ...]:
    """Return the services that the settings allow."""
    return tuple(name for name in MESSENGERS if name in settings.ALERT_SCHEMAS)


def read_address(address: str) -> Destination:
    """Check an address without any network call. Raises ``InvalidInput`` naming ``address``."""
    messenger, service = _service(address)
    host = _host_of(messenger, service)
    if host and not settings.ALERT_PRIVATE_ADDRESSES and is_private_name(host):
        raise invalid("address", _PRIVATE)
    return Destination(service=messenger.label, host=host[:128])


def send_message(address: str, *, title: str, body: str) -> Sent:
    """Try once to send; never raises because of the address or the receiver."""
    try:
        messenger, service = _service(address)
    except InvalidInput as error:
        return Sent(Outcome.REFUSED, error.fields["address"])
    host = _host_of(messenger, service)
    # Refuse at once what needs no connection to be judged; the rest is judged as it connects.
    if host and not settings.ALERT_PRIVATE_ADDRESSES and is_private_name(host):
        return Sent(Outcome.REFUSED, _PRIVATE)
    return _try_within(LONGEST_SECONDS, lambda: _guarded(service, title, body))


_PRIVATE = "The address leads into this desk's own network, which is not allowed here."


def _service(address: str) -> tuple[Messenger, Any]:
    """Return the address's service, ready to send, with our time-outs whatever the address says."""
    if len(address) > LONGEST_ADDRESS or not address.isprintable() or " " in address:
        raise invalid("address", f"Expected at most {LONGEST_ADDRESS} characters without blanks.")
    schema, separator, _ = address.partition("://")
    schema = schema.lower()
    if not separator or schema not in accepted_schemas():
        accepted = ", ".join(f"{name}://" for name in accepted_schemas())
        raise invalid(
            "address", f"Expected an Apprise address that begins with one of: {accepted or 'none'}."
        )
    try:
        # The colon in a Telegram token looks like a port, but no port is read here.
        query = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    except ValueError:
        raise invalid("address", "Not an address that can be read.") from None
    for name, _value in query:
        if name not in _ACCEPTED_PARAMETERS and not name.startswith(("+", " ")):
            accepted = ", ".join(sorted(_ACCEPTED_PARAMETERS))
            raise invalid(
                "address", f"Holds a parameter that is not accepted. Accepted: {accepted}."
            )
    messenger = MESSENGERS[schema]
    try:
        plugin = _load(messenger.plugin)
        parsed = plugin.parse_url(address)
        if not parsed:
            raise TypeError
        service = plugin(**parsed | {"redirect": False, "verify": True})
    except (TypeError, ValueError, AttributeError, KeyError):
        # Drop the cause: it quotes the address.
        raise invalid("address", f"Not a complete address of {messenger.label}.") from None
    if getattr(service, "secure_mode", "") == "insecure":
        raise invalid(
            "address", "Would send a password in plain text: use mode=ssl or mode=starttls."
        )
    service.socket_connect_timeout = CONNECT_SECONDS
    service.socket_read_timeout = READ_SECONDS
    return messenger, service


@cache
def _load(plugin: str) -> Any:
    """Import the service's class on first use; its log goes only to the listener here."""
    loaded = import_string(plugin)
    apprise_logger = logging.getLogger("apprise")
    apprise_logger.propagate = False
    apprise_logger.setLevel(logging.WARNING)
    if not any(isinstance(handler, _Listener) for handler in apprise_logger.handlers):
        apprise_logger.addHandler(_Listener())
    return loaded


class _Listener(logging.Handler):
    """Collects Apprise's log: its only account of why a message failed."""

    heard = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        lines = getattr(self.heard, "lines", None)
        if lines is not None:
            lines.append(record.getMessage())


def _guarded(service: Any, title: str, body: str) -> Sent:
    if settings.ALERT_PRIVATE_ADDRESSES:
        return _notify(service, title, body)
    try:
        with public_only():
            return _notify(service, title, body)
    except NotPublic:
        return Sent(Outcome.REFUSED, _PRIVATE)


def _notify(service: Any, title: str, body: str) -> Sent:
    lines: list[str] = []
    _Listener.heard.lines = lines
    started = time.monotonic()
    try:
        taken = bool(service.notify(title=title, body=body))
    except Exception as error:  # noqa: BLE001 - a plugin's failure is a message not taken
        logger.warning("alert.plugin_failed", reason=type(error).__name__)
        taken = False
    finally:
        del _Listener.heard.lines
    if taken:
        return Sent(Outcome.SENT)
    if time.monotonic() - started >= READ_SECONDS:
        return Sent(Outcome.UNKNOWN, "The receiver took the message and did not answer in time.")
    found = _REFUSAL.search(" ".join(lines))
    if found is None:
        return Sent(Outcome.AGAIN, "No connection to the receiver.")
    status = int(found[1] or found[2])
    final = 300 <= status < 500 and status not in _WORTH_ANOTHER_TRY
    return Sent(
        Outcome.REFUSED if final else Outcome.AGAIN, f"The receiver answered with {status}."
    )


def _try_within(seconds: float, call: Callable[[], Sent]) -> Sent:
    """Run a call, or return ``UNKNOWN`` after ``seconds``."""
    answers: list[Sent] = []
    worker = threading.Thread(target=lambda: answers.append(call()), daemon=True, name="alert-send")
    worker.start()
    worker.join(seconds)
    if not answers:
        return Sent(Outcome.UNKNOWN, "The receiver did not finish its answer in time.")
    return answers[0]


def _host_of(messenger: Messenger, service: Any) -> str:
    """Return the server the user named; empty if the service has its own."""
    if not messenger.own_host or getattr(service, "mode", "") == "cloud":
        return ""
    return str(getattr(service, "smtp_host", "") or service.host or "").strip("[]")
