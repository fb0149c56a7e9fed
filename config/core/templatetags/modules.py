"""A page's script with all that it imports, fetched side by side instead of one after the other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
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
        for name in IMPORT.findall(_source(module).read_text(encoding="utf-8")):
            imported = normpath(join(dirname(module), name))
            if imported not in found and imported != path:
                found[imported] = None
                waiting.append(imported)
    return tuple(found)


def _source(module: str) -> Path:
    """Return the file as it was written; an image has only what was collected."""
    found = finders.find(module)
    return Path(str(found)) if found else Path(staticfiles_storage.path(module))


@register.simple_tag
def page_script(path: str) -> SafeString:
    """Write the script of a page, and a preload of each module that it imports."""
    preloads = format_html_join(
        "\n",
        '<link rel="modulepreload" href="{}">',
        ((static(module),) for module in imported_modules(path)),
    )
    return format_html('{}\n<script type="module" src="{}"></script>', preloads, static(path))
