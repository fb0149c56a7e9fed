"""A page's script with all that it imports, fetched side by side instead of one after the other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

IMPORT = re.compile(r'^(?:import|export)\b[^"]*?"(\.[^"]+)";', re.MULTILINE)


@cache
def imported_modules(path: str) -> tuple[str, ...]:
    """Return what the module at ``path``, below ``static/``, imports, and what these import."""
    found: dict[str, None] = {}
    waiting = [path]
    while waiting:
        module = waiting.pop(0)
        text = Path(str(finders.find(module))).read_text(encoding="utf-8")
        for name in IMPORT.findall(text):
            imported = normpath(join(dirname(module), name))
            if imported not in found and imported != path:
                found[imported] = None
                waiting.append(imported)
    return tuple(found)


@register.simple_tag
def page_script(path: str) -> SafeString:
    """Write the script of a page, and a preload of each module that it imports."""
    preloads = format_html_join(
        "\n",
        '<link rel="modulepreload" href="{}">',
        ((static(module),) for module in imported_modules(path)),
    )
    return format_html('{}\n<script type="module" src="{}"></script>', preloads, static(path))
