"""The resources the door answers, registered by apps by dotted name."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

from django.utils.module_loading import import_string

from config.core.front_door.bodies import Prepared

Key = Hashable


class LiveSource(Protocol):
    """Reads a private resource that is never prepared, for each who asks. Called in threads."""

    def key_of(self, user: Any) -> Key:
        """Return whose answer the user gets: users with the same key get the same one."""

    def read(self, key: Key) -> bytes | None:
        """Return the answer, read now; ``None`` leaves it to Django."""


class Source(Protocol):
    """Builds a resource's bodies. Called in threads; may ask the database."""

    def groups_of(self, key: Key) -> Iterable[str]:
        """Return the hub groups that announce new versions of the key's body."""

    def heard(self, message: Mapping[str, Any]) -> bool:
        """Note a group's message, on the event loop; do nothing else.

        Returns whether there may be a new version.
        """

    def states_of(self, keys: Collection[Key]) -> Mapping[Key, Hashable]:
        """Return the committed state of each key that can be prepared, in as few queries as for
        one."""

    def kept(self, key: Key, state: Hashable) -> Prepared | None:
        """Return the body of this state if it is in memory."""

    def prepare(self, key: Key) -> Prepared | None:
        """Build the body and keep it in memory; ``None`` if not possible now."""

    def asked(self, key: Key) -> None:
        """Note that the body is being read: request whatever updates it lacks."""


class PrivateSource(Source, Protocol):
    """Builds the bodies of a private resource."""

    def key_of(self, user: Any) -> Key:
        """Return what the user may see now: users with the same key get the same body."""


class PublicSource(Source, Protocol):
    """Builds the bodies of a public resource, which takes parameters."""

    def key_for(self, query: str) -> Key | None:
        """Return what a raw query string asks for; ``None`` for one Django would refuse.

        Equivalent queries have the same key. It holds the question, not the answer: defaults are
        resolved with each state.
        """


@dataclass(frozen=True)
class Resource:
    """One exact address.

    A public one is the same for everybody: only its query string selects the body. For a private
    one the caller does, and any parameter hands the request to Django.
    """

    name: str
    path: str
    source_path: str
    is_public: bool = False
    #: Read anew for whoever asks, by a ``LiveSource``.
    is_live: bool = False

    @cached_property
    def route(self) -> str:
        """Return its URLconf pattern, which labels metrics."""
        return self.path.removeprefix("/")

    @cached_property
    def source(self) -> Source:
        return cast("Source", import_string(self.source_path)())

    @cached_property
    def live_source(self) -> LiveSource:
        return cast("LiveSource", import_string(self.source_path)())

    def key_of(self, user: Any) -> Key:
        """Return what the user may see (private resource)."""
        if self.is_live:
            return self.live_source.key_of(user)
        return cast("PrivateSource", self.source).key_of(user)

    def key_for(self, query: str) -> Key | None:
        """Return what the query string asks for (public resource)."""
        return cast("PublicSource", self.source).key_for(query)


_resources: dict[bytes, Resource] = {}


def register_resource(
    name: str, *, path: str, source: str, is_public: bool = False, is_live: bool = False
) -> None:
    """Let the door answer ``GET path``. ``source`` is a ``Source`` class by dotted path, or a
    ``LiveSource`` (private resources only)."""
    resource = Resource(name, path, source, is_public, is_live)
    if is_live and is_public:
        raise ValueError(f"{name}: only private resources are read anew for each who asks")
    known = _resources.setdefault(path.encode("ascii"), resource)
    if known != resource:
        raise ValueError(f"{path} is registered twice at the front door")


def registered_resources() -> Mapping[bytes, Resource]:
    """Return the resources by their raw path."""
    return _resources
