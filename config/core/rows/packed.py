"""Many rows of a file, kept in a tenth of the memory that they take as objects."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, Generic, TypeVar

Item = TypeVar("Item")

#: A part is what is handled together. The last one, and so a short answer, is never packed.
ROWS_A_PART: Final = 5_000
#: More takes twice the time and saves little: rows repeat each other.
_LEVEL: Final = 1


class PackedRows(Generic[Item]):
    """Rows that are added and read in their order, a part at a time.

    Objects that rows of one part share, they share again when they are read; those of two parts
    do not.
    """

    def __init__(self, rows: Iterable[Item] = ()) -> None:
        self._packed: list[bytes] = []
        self._last: list[Item] = []
        self._number = 0
        for row in rows:
            self.append(row)

    def append(self, row: Item) -> None:
        """Add a row at the end."""
        if len(self._last) >= ROWS_A_PART:
            self._packed.append(zlib.compress(pickle.dumps(self._last, -1), _LEVEL))
            self._last = []
        self._last.append(row)
        self._number += 1

    def parts(self) -> Iterator[list[Item]]:
        """Yield the rows, so many together as are packed together."""
        for packed in self._packed:
            # Nothing but what this object packed itself.
            part: Any = pickle.loads(zlib.decompress(packed))  # noqa: S301
            yield part
            del part
        if self._last:
            yield self._last

    def __iter__(self) -> Iterator[Item]:
        return chain.from_iterable(self.parts())

    def __len__(self) -> int:
        return self._number
