"""What the door answers: resources that the apps register by dotted name."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, cast

from django.utils.module_loading import import_string

from config.core.front_door.bodies import Prepared

Key = Hashable


class Audience(StrEnum):
    """Who may have a resource, and so what says which body it is.

    Of a private one the caller does, and a parameter makes the request Django's. A public one is
    the same for everybody: its query string alone says which.
    """

    PUBLIC = "public"
    PRIVATE = "private"


class Source(Protocol):
    """Where the bodies of a resource come from. Called in threads; may ask the database."""

    def groups_of(self, key: Key) -> Iterable[str]:
        """The hub's groups in which a new version of the key's body is announced."""

    def heard(self, message: Mapping[str, Any]) -> bool:
        """A message of one of the groups, on the event loop: note what it says, and no more.

        Whether a new version may stand behind it.
        """

    def states_of(self, keys: Collection[Key]) -> Mapping[Key, Hashable]:
        """The committed state of each key that can be prepared, in as few queries as one key."""

    def kept(self, key: Key, state: Hashable) -> Prepared | None:
        """The body of this state, if it is in memory."""

    def prepare(self, key: Key) -> Prepared | None:
        """Build the body and keep it in memory; ``None``: not now."""

    def asked(self, key: Key) -> None:
        """The body is being read: ask for whatever it is behind with."""


class PrivateSource(Source, Protocol):
    """The bodies of a private resource."""

    def key_of(self, user: Any) -> Key:
        """What the user may see, as of now: whoever has the same key gets the same body."""


class PublicSource(Source, Protocol):
    """The bodies of a public resource, which takes parameters."""

    def key_for(self, query: str) -> Key | None:
        """What a raw query string asks for; ``None`` for one that Django would refuse.

        Two that ask for the same have the same key. It says what was asked, not what that is now:
        what a default stands for is looked up with each state.
        """


@dataclass(frozen=True)
class Resource:
    """One exact address."""

    name: str
    path: str
    audience: Audience
    source_path: str

    @cached_property
    def route(self) -> str:
        """Its pattern in the URLconf, which metrics are counted by."""
        return self.path.removeprefix("/")

    @cached_property
    def is_public(self) -> bool:
        return self.audience is Audience.PUBLIC

    @cached_property
    def source(self) -> Source:
        return cast("Source", import_string(self.source_path)())

    def key_of(self, user: Any) -> Key:
        """Of a private resource: what the user may see."""
        return cast("PrivateSource", self.source).key_of(user)

    def key_for(self, query: str) -> Key | None:
        """Of a public resource: what the query string asks for."""
        return cast("PublicSource", self.source).key_for(query)


_resources: dict[bytes, Resource] = {}


def register_resource(name: str, *, path: str, audience: Audience, source: str) -> None:
    """Let the door answer ``GET path``. ``source`` is a ``Source`` class by dotted path."""
    resource = Resource(name=name, path=path, audience=audience, source_path=source)
    known = _resources.setdefault(path.encode("ascii"), resource)
    if known != resource:
        raise ValueError(f"{path} is registered twice at the front door")


def registered_resources() -> Mapping[bytes, Resource]:
    """The resources by their path as it comes on the wire."""
    return _resources
