"""Choose and make the compressed form of a body that a client accepts."""

from __future__ import annotations

import gzip
import re

import brotli

IDENTITY, GZIP, BROTLI = "identity", "gzip", "br"
#: Every form, the smallest first: of equally welcome ones the first is sent.
FORMS = (BROTLI, GZIP, IDENTITY)
# A body changes every few seconds: more effort would cost more than it saves.
_BROTLI_QUALITY = 5
_GZIP_LEVEL = 6
# Bodies this large are columns of numbers, whose digits compress no better with more effort: five
# times the time would save one percent.
_LARGE_BYTES = 200_000
_BROTLI_QUALITY_OF_LARGE = 1
_GZIP_LEVEL_OF_LARGE = 4
_GZIP_LEVEL_OF_BRIEF = 1
# A larger window finds nothing more in a body and takes megabytes.
_BROTLI_WINDOW = 18
_WEIGHT = re.compile(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE | re.ASCII)


def compressed(body: bytes, form: str, *, is_brief: bool = False) -> bytes:
    """Return the body in one of ``FORMS``. The same body gives the same bytes in every process.

    ``is_brief``: it is sent once or a few times, so little time is spent.
    """
    is_large = is_brief or len(body) >= _LARGE_BYTES
    if form == BROTLI:
        quality = _BROTLI_QUALITY_OF_LARGE if is_large else _BROTLI_QUALITY
        return bytes(brotli.compress(body, quality=quality, lgwin=_BROTLI_WINDOW))
    if form == GZIP:
        level = _GZIP_LEVEL_OF_LARGE if is_large else _GZIP_LEVEL
        return gzip.compress(body, _GZIP_LEVEL_OF_BRIEF if is_brief else level, mtime=0)
    return body


def chosen_form(accept_encoding: str) -> str:
    """Return the form for an ``Accept-Encoding`` header (RFC 9110 §12.5.3); plain if it names none.

    A client that refuses every form gets the plain one, as from any server.
    """
    weights: dict[str, float] = {}
    for offer in accept_encoding.split(","):
        name, _, parameters = offer.partition(";")
        found = _WEIGHT.fullmatch(parameters.strip())
        if parameters.strip() and found is None:
            continue
        weights[name.strip().lower()] = float(found.group(1)) if found else 1.0
    others = weights.get("*", 0.0)
    welcome = {form: weights.get(form, others) for form in (BROTLI, GZIP)}
    # Plain is welcome unless it is refused, but only as much as a named form when it is named.
    welcome[IDENTITY] = weights.get(IDENTITY, 0.0)
    best = max(FORMS, key=lambda form: welcome[form])
    return best if welcome[best] > 0 else IDENTITY
