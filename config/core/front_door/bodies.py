"""Prepared bodies: bytes, their compressed forms and their tags, kept in bounded memory."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.http import parse_etags

from config.core.front_door.encodings import IDENTITY, compressed


class Body:
    """The bytes of one version, in the forms that were asked for so far. Thread-safe.

    ``tag`` names the content: the same bytes have the same tag in every process. Each form has a
    tag of its own, because a strong ETag names bytes as they are sent.
    """

    __slots__ = ("_forms", "_lock", "tag")

    def __init__(self, plain: bytes) -> None:
        self.tag = hashlib.blake2b(plain, digest_size=12).hexdigest()
        self._forms = {IDENTITY: plain}
        self._lock = threading.Lock()

    def ready(self, form: str) -> bytes | None:
        """The form, if it was made already."""
        return self._forms.get(form)

    def form(self, form: str) -> bytes:
        """The form, made now if it was not."""
        made = self._forms.get(form)
        if made is None:
            with self._lock:
                made = self._forms.get(form)
                if made is None:
                    made = self._forms[form] = compressed(self._forms[IDENTITY], form)
        return made

    def etag(self, form: str) -> str:
        return f'"{self.tag}"' if form == IDENTITY else f'"{self.tag}-{form}"'

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that exist."""
        return tuple(self._forms)

    @property
    def size(self) -> int:
        """Bytes of all forms together."""
        return sum(map(len, tuple(self._forms.values())))


def holds(if_none_match: str, etag: str) -> bool:
    """Whether the client has these bytes. Proxies that compress weaken the tag on its way."""
    offered = parse_etags(if_none_match)
    return "*" in offered or etag in {one.removeprefix("W/") for one in offered}


@dataclass(slots=True, eq=False)
class Prepared:
    """A body with what it was made from.

    ``state`` is equal as long as the body would come out the same; ``valid_until`` is when time
    alone changes it, in seconds of the epoch. ``is_kept`` goes when a newer one takes its place or
    memory is short. ``heads`` is the door's: headers by what they depend on.
    """

    body: Body
    state: Hashable
    valid_until: float = math.inf
    is_kept: bool = True
    heads: dict[Any, Any] = field(default_factory=dict)


class PreparedBodies:
    """The latest prepared body by name and key, the least recently used dropped first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Hashable], Prepared] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, key: Hashable, state: Hashable) -> Prepared | None:
        """The body, if it was made from this state."""
        with self._lock:
            found = self._kept.get((name, key))
            if found is None or found.state != state:
                return None
            self._kept.move_to_end((name, key))
            return found

    def put(self, name: str, key: Hashable, prepared: Prepared) -> Prepared:
        """Keep the body, in the forms in which its predecessor was asked for, and return it."""
        with self._lock:
            before = self._kept.get((name, key))
        for form in before.body.forms if before is not None else ():
            prepared.body.form(form)
        with self._lock:
            if (replaced := self._kept.get((name, key))) is not None:
                replaced.is_kept = False
            self._kept[name, key] = prepared
            self._kept.move_to_end((name, key))
            size = sum(kept.body.size for kept in self._kept.values())
            while size > settings.FRONT_DOOR_MEGABYTES * 1_000_000 and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                dropped.is_kept = False
                size -= dropped.body.size
        return prepared

    def clear(self) -> None:
        with self._lock:
            for dropped in self._kept.values():
                dropped.is_kept = False
            self._kept.clear()

    @property
    def size(self) -> int:
        """Bytes of all that is kept."""
        with self._lock:
            return sum(kept.body.size for kept in self._kept.values())


#: The bodies of this process, Django's and the door's.
prepared_bodies = PreparedBodies()
