"""Trades and results go by underlying, of which a future with all its months is one.

Tastytrade names the month that an option delivers (``/MESH7``), IBKR does not (``/MES``), and rolls
go from month to month.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db.models import Q

_PRODUCT = re.compile(r"/[A-Z0-9]+", re.ASCII)


def of_underlyings(names: Iterable[str], field: str = "underlying") -> Q:
    """Return the condition on instruments of these underlyings: ``/MES`` is any of its months.

    ``field`` is the way to the instrument's underlying. A month (``/MESH7``) is itself alone.
    """
    wanted = set(names)
    found = Q((f"{field}__in", wanted))
    products = sorted(name[1:] for name in wanted if _PRODUCT.fullmatch(name))
    if products:
        pattern = rf"^/({'|'.join(products)})[FGHJKMNQUVXZ][0-9]{{1,2}}$"
        # The regular expression is slow: only futures' names come to it.
        found |= Q((f"{field}__startswith", "/"), (f"{field}__regex", pattern))
    return found
