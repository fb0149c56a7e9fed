"""Histories keep money: units of several underlyings are not added."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portfolio", "0001_initial")]

    operations = [
        migrations.RemoveField(model_name="accountday", name="delta"),
        migrations.RemoveField(model_name="accountday", name="gamma"),
        migrations.AddField(
            model_name="accountday",
            name="dollar_gamma",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.RemoveField(model_name="accounthistory", name="delta"),
        migrations.RemoveField(model_name="accounthistory", name="gamma"),
        migrations.AddField(
            model_name="accounthistory",
            name="dollar_gamma",
            field=models.FloatField(blank=True, null=True),
        ),
    ]
