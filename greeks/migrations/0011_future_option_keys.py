"""Drop the month from the roots in keys of options on futures: it is another vendor's spelling."""

from __future__ import annotations

import re
from typing import Any

from django.db import migrations

_MONTH = re.compile(r"[FGHJKMNQUVXZ]\d{1,2}$")
_DATED = re.compile(r"/[A-Z0-9]+[FGHJKMNQUVXZ]\d{1,2}")


def shorten(apps: Any, schema_editor: Any) -> None:
    """Rename keys; one that is taken stays, and its contract is stored anew at the next sync."""
    instruments = apps.get_model("greeks", "Instrument").objects
    rows = instruments.filter(kind="future_option", underlying__startswith="/")
    renamed = {}
    for row in rows.only("pk", "key", "underlying").order_by("pk"):
        kind, root, *terms = row.key.split(":")
        shorter = _MONTH.sub("", root) or root
        key = ":".join([kind, shorter, *terms])
        if _DATED.fullmatch(row.underlying) and key != row.key:
            renamed.setdefault(key, row)
    taken = set(instruments.filter(key__in=list(renamed)).values_list("key", flat=True))
    changed = []
    for key, row in renamed.items():
        if key not in taken:
            row.key = key
            changed.append(row)
    instruments.bulk_update(changed, ["key"], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("greeks", "0010_stored_days")]
    operations = [migrations.RunPython(shorten, migrations.RunPython.noop, elidable=True)]
