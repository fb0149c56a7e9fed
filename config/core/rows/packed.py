"""Keep many rows of a file in a tenth of the memory they take as objects."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, Generic, TypeVar

Item = TypeVar("Item")

#: Rows handled together. The last part, and so a short file, is never packed.
ROWS_A_PART: Final = 5_000
#: More takes twice the time and saves little: rows repeat each other.
_LEVEL: Final = 1


class PackedRows(Generic[Item]):
    """Rows added and read in order, a part at a time.

    Objects shared by rows of one part are shared again when read; those of two parts are not.
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
        """Yield the rows part by part."""
        for packed in self._packed:
            # Only what this object packed itself.
            part: Any = pickle.loads(zlib.decompress(packed))  # noqa: S301
            yield part
            del part
        if self._last:
            yield self._last

    def __iter__(self) -> Iterator[Item]:
        return chain.from_iterable(self.parts())

    def __len__(self) -> int:
        return self._number
