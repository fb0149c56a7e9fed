"""dxLink's messages as typed structs, in the JSON of the wire.

Source: dxLink protocol 1.0 (https://demo.dxfeed.com/dxlink-ws/debug/#/protocol) and Tastytrade's
"Streaming market data". Fields the desk does not read are ignored.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec


class Setup(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="SETUP"):
    channel: int = 0
    keepalive_timeout: float = 60
    accept_keepalive_timeout: float = 60
    version: str = ""


class AuthState(msgspec.Struct, frozen=True, tag_field="type", tag="AUTH_STATE"):
    state: str
    channel: int = 0


class ChannelOpened(msgspec.Struct, frozen=True, tag_field="type", tag="CHANNEL_OPENED"):
    channel: int


class ChannelClosed(msgspec.Struct, frozen=True, tag_field="type", tag="CHANNEL_CLOSED"):
    channel: int


class FeedConfig(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="FEED_CONFIG"):
    """``event_fields``: the order of the values in COMPACT data, for the kinds it names."""

    channel: int
    data_format: str = ""
    event_fields: dict[str, list[str]] | None = None


class FeedData(msgspec.Struct, frozen=True, tag_field="type", tag="FEED_DATA"):
    """COMPACT: ``[kind, [values…], kind, [values…], …]``; FULL: a list of objects."""

    channel: int
    data: list[Any]


class Keepalive(msgspec.Struct, frozen=True, tag_field="type", tag="KEEPALIVE"):
    channel: int = 0


class ErrorMessage(msgspec.Struct, frozen=True, tag_field="type", tag="ERROR"):
    error: str = ""
    message: str = ""
    channel: int = 0


class UnknownMessage(msgspec.Struct, frozen=True):
    """A message type this client does not know: counted and skipped."""

    type: str


Message = (
    Setup
    | AuthState
    | ChannelOpened
    | ChannelClosed
    | FeedConfig
    | FeedData
    | Keepalive
    | ErrorMessage
)

KNOWN: Final = frozenset(
    {
        "SETUP", "AUTH_STATE", "CHANNEL_OPENED", "CHANNEL_CLOSED", "FEED_CONFIG", "FEED_DATA",
        "KEEPALIVE", "ERROR",
    }
)  # fmt: skip
_decoder = msgspec.json.Decoder(Message)
_any_decoder = msgspec.json.Decoder(UnknownMessage)


class BadFrame(ValueError):
    """The frame is no message: half JSON, another shape. Counted and skipped."""


def decode_message(frame: str | bytes) -> Message | UnknownMessage:
    """Decode one frame. Raises ``BadFrame`` for anything else."""
    try:
        message: Message = _decoder.decode(frame)
        return message
    except msgspec.ValidationError as error:
        reason = str(error)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame(str(error)) from None
    try:
        unknown: UnknownMessage = _any_decoder.decode(frame)
    except msgspec.MsgspecError:
        raise BadFrame(reason) from None
    if unknown.type in KNOWN:
        raise BadFrame(reason)
    return unknown


def encode_message(message: dict[str, Any]) -> str:
    """Encode a message as text: dxLink takes text frames."""
    return msgspec.json.encode(message).decode()
