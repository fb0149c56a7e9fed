"""Prepared bodies: bytes, their compressed forms and their tags, kept in bounded memory."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Self

import brotli
from django.conf import settings
from django.utils.http import parse_etags

from config.core.front_door.encodings import BROTLI, IDENTITY, compressed


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

    @classmethod
    def of_brotli(cls, tag: str, compressed_bytes: bytes) -> Self:
        """A body that another process made: the plain form is unpacked when somebody takes it."""
        body = cls.__new__(cls)
        body.tag = tag
        body._forms = {BROTLI: compressed_bytes}
        body._lock = threading.Lock()
        return body

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
                    plain = self._forms.get(IDENTITY)
                    if plain is None:
                        plain = self._forms[IDENTITY] = brotli.decompress(self._forms[BROTLI])
                    made = self._forms[form] = compressed(plain, form)
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
    """The latest prepared body by name and key, the least recently used dropped first.

    ``setting`` names the setting with the megabytes that all forms of all bodies may take. A form
    that is made after its body was put counts from the body's next use on.
    """

    def __init__(self, setting: str = "FRONT_DOOR_MEGABYTES") -> None:
        self._setting = setting
        self._kept: OrderedDict[tuple[str, Hashable], Prepared] = OrderedDict()
        self._sizes: dict[tuple[str, Hashable], int] = {}
        self._size = 0
        self._lock = threading.Lock()

    def get(self, name: str, key: Hashable, state: Hashable) -> Prepared | None:
        """The body, if it was made from this state."""
        with self._lock:
            found = self._kept.get((name, key))
            if found is None or found.state != state:
                return None
            self._used((name, key), found)
            return found

    def last(self, name: str, key: Hashable) -> Prepared | None:
        """The latest body, whatever it was made from: for who cannot ask what is committed."""
        with self._lock:
            return self._kept.get((name, key))

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
            self._used((name, key), prepared)
        return prepared

    def _used(self, place: tuple[str, Hashable], prepared: Prepared) -> None:
        """Count it, put it last, and drop the first until all fit; the lock is held."""
        self._kept.move_to_end(place)
        size = prepared.body.size
        self._size += size - self._sizes.get(place, 0)
        self._sizes[place] = size
        most = getattr(settings, self._setting) * 1_000_000
        while self._size > most and len(self._kept) > 1:
            dropped_place, dropped = self._kept.popitem(last=False)
            dropped.is_kept = False
            self._size -= self._sizes.pop(dropped_place)

    def clear(self) -> None:
        with self._lock:
            for dropped in self._kept.values():
                dropped.is_kept = False
            self._kept.clear()
            self._sizes.clear()
            self._size = 0

    @property
    def size(self) -> int:
        """Bytes of all that is kept, counted anew."""
        with self._lock:
            return sum(kept.body.size for kept in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)


#: The private bodies of this process, Django's and the door's.
prepared_bodies = PreparedBodies()
