from __future__ import annotations

from django.db import migrations


def end_sessions(apps, schema_editor):
    """End sessions stored under readable keys: from now on only digests are looked up."""
    apps.get_model("sessions", "Session").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("auth_tokens", "0002_broker_tokens"),
        ("sessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(end_sessions, migrations.RunPython.noop, elidable=True)]
