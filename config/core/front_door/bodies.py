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
    """The bytes of one version, in the forms requested so far. Thread-safe.

    ``tag`` names the content: the same bytes have the same tag in every process. Each form has its
    own tag, because a strong ETag names bytes as sent.
    """

    __slots__ = ("_forms", "_lock", "tag")

    def __init__(self, plain: bytes) -> None:
        self.tag = hashlib.blake2b(plain, digest_size=12).hexdigest()
        self._forms = {IDENTITY: plain}
        self._lock = threading.Lock()

    @classmethod
    def of_brotli(cls, tag: str, compressed_bytes: bytes) -> Self:
        """Wrap a body another process made; the plain form is unpacked on first use."""
        body = cls.__new__(cls)
        body.tag = tag
        body._forms = {BROTLI: compressed_bytes}
        body._lock = threading.Lock()
        return body

    def ready(self, form: str) -> bytes | None:
        """Return the form if it exists already."""
        return self._forms.get(form)

    def form(self, form: str) -> bytes:
        """Return the form, making it if needed."""
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
        """Return the forms that exist."""
        return tuple(self._forms)

    @property
    def size(self) -> int:
        """Return the bytes of all forms together."""
        return sum(map(len, tuple(self._forms.values())))


def holds(if_none_match: str, etag: str) -> bool:
    """Whether the client has these bytes. Compressing proxies weaken the tag."""
    offered = parse_etags(if_none_match)
    return "*" in offered or etag in {one.removeprefix("W/") for one in offered}


@dataclass(slots=True, eq=False)
class Prepared:
    """A body with what it was built from.

    ``state`` is equal while the body would come out the same; ``valid_until`` is when time alone
    changes it, in seconds since the epoch. ``is_kept`` ends when a newer body replaces it or memory
    runs short. ``heads`` is the door's: headers by what they depend on.
    """

    body: Body
    state: Hashable
    valid_until: float = math.inf
    is_kept: bool = True
    heads: dict[Any, Any] = field(default_factory=dict)
    _stale: Prepared | None = None

    def as_stale(self) -> Prepared:
        """Return the same body where everything that may be stale says that it is.

        In a text of JSON the quotation marks would be escaped, so only names match.
        """
        if self._stale is None:
            plain = self.body.form(IDENTITY).replace(b'"stale":false', b'"stale":true')
            self._stale = Prepared(Body(plain), self.state)
        return self._stale


class PreparedBodies:
    """The latest prepared body by name and key; the least recently used is dropped first.

    ``setting`` names the setting for the most megabytes of all forms of all bodies. A form made
    after its body was stored counts from the body's next use: ``cachetools`` measures only once.
    """

    def __init__(self, setting: str = "FRONT_DOOR_MEGABYTES") -> None:
        self._setting = setting
        self._kept: OrderedDict[tuple[str, Hashable], Prepared] = OrderedDict()
        self._sizes: dict[tuple[str, Hashable], int] = {}
        self._size = 0
        self._lock = threading.Lock()

    def get(self, name: str, key: Hashable, state: Hashable) -> Prepared | None:
        """Return the body if it was built from this state."""
        with self._lock:
            found = self._kept.get((name, key))
            if found is None or found.state != state:
                return None
            self._used((name, key), found)
            return found

    def last(self, name: str, key: Hashable) -> Prepared | None:
        """Return the latest body of any state, for callers that cannot ask what is committed."""
        with self._lock:
            return self._kept.get((name, key))

    def put(self, name: str, key: Hashable, prepared: Prepared) -> Prepared:
        """Store the body, in the forms requested of its predecessor, and return it."""
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
        """Count it, move it to the end, and drop the oldest until all fit. Hold the lock."""
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
        """Count the bytes of everything kept again, and return them."""
        with self._lock:
            return sum(kept.body.size for kept in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)


#: The private bodies of this process, Django's and the door's.
prepared_bodies = PreparedBodies()
