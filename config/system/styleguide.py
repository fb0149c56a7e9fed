"""The visual language on one page, for building new pages. Staff only."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from config.core.clock import now
from config.system.views import staff_only

COLOURS = (
    ("text", "Text"),
    ("text-soft", "Text, second voice"),
    ("text-faint", "Text, faintest"),
    ("accent", "Accent, links, focus"),
    ("up", "Up, good"),
    ("down", "Down, bad"),
    ("warn", "Old, doubtful"),
    ("simulated", "Simulated"),
)
SURFACES = (
    ("canvas", "Canvas"),
    ("panel", "Panel"),
    ("panel-raised", "Raised"),
    ("sunken", "Sunken"),
    ("accent-wash", "Accent wash"),
    ("up-wash", "Up wash"),
    ("down-wash", "Down wash"),
    ("warn-wash", "Warn wash"),
)
# One of each kind: positive, negative, zero, huge, tiny, missing.
NUMBERS = (1234567.891, -1234.5, 0.0, 98765432109.5, 0.000042, None)


@staff_only
@require_GET
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show tokens and partials in all their states."""
    at = now()
    return render(
        request,
        "system/styleguide.html",
        {
            "colours": COLOURS,
            "surfaces": SURFACES,
            "numbers": NUMBERS,
            "moments": [at - timedelta(seconds=age) for age in (4, 75, 4000, 200000)],
            "sources": ("ibkr", "tastytrade", "polygon", "model", "sandbox", None),
        },
    )
