"""Which static files are served."""

from __future__ import annotations

from django.contrib.staticfiles.apps import StaticFilesConfig


class DeskStaticFilesConfig(StaticFilesConfig):
    """Exclude files packages ship besides the build that pages load."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        *("*.cjs.js", "*.d.ts", "*.iife.js"),
    ]
