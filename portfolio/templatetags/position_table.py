"""The rows of the positions table: written once per version of the book, with ages as of now."""

from __future__ import annotations

import re
from datetime import datetime
from threading import Lock

from cachetools import LRUCache, cached
from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from config.core.clock import market_now
from config.core.web import formatting
from portfolio.book.reading import Book
from portfolio.templatetags.book import position_groups

register = template.Library()

_INSTANT = re.compile("<!([^>]*)>")


@register.simple_tag
def position_table(book: Book) -> SafeString:
    """Return a ``<tbody>`` for each underlying of the book."""
    filled = list(_parts(book))
    at = market_now()
    ages = {
        instant: formatting.age((at - datetime.fromisoformat(instant)).total_seconds())
        for instant in set(filled[1::2])
    }
    filled[1::2] = [ages[instant] or "" for instant in filled[1::2]]
    return SafeString("".join(filled))


@cached(LRUCache(8), lock=Lock())
def _parts(book: Book) -> list[str]:
    """Return the table's text, cut where ages stand: every second part is an instant."""
    groups = position_groups({"positions": book.positions, "totals": book.totals})
    template_name = "risk_monitor/position_group.html"
    return _INSTANT.split("".join(render_to_string(template_name, {"group": g}) for g in groups))
