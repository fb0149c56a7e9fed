"""How static files get their hashed names."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class DeskStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed names inside modules too: ``import "./format.js"`` follows its file's content.

    Without this a deploy would leave modules in browsers' caches under their old, plain name.
    """

    support_js_module_import_aggregation = True
