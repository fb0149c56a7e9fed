"""Opening a future moves no cash: it is no part of a trade's premium any more."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef

import config.core.fields


def mend(apps: Any, schema_editor: Any) -> None:
    trades = apps.get_model("trades", "Trade").objects.order_by()
    legs = apps.get_model("trades", "TradeLeg").objects.order_by().filter(trade=OuterRef("pk"))
    of_futures = legs.filter(instrument__kind="future")
    alone = trades.filter(Exists(of_futures), ~Exists(legs.exclude(instrument__kind="future")))
    alone.update(premium=None)
    # Beside options: what was counted is taken back.
    counted: dict[int, Decimal] = defaultdict(Decimal)
    fills = apps.get_model("trades", "TradeFill").objects.order_by().filter(
        role="open", execution__kind="trade", execution__instrument__kind="future",
        trade__premium__isnull=False,
    )  # fmt: skip
    for trade, quantity, price, multiplier in fills.values_list(
        "trade_id", "quantity", "execution__price", "execution__instrument__multiplier"
    ).iterator():
        counted[trade] += quantity * (price or 0) * multiplier
    for key, amount in counted.items():
        trade = trades.get(pk=key)
        trade.premium += amount
        trade.save(update_fields=["premium"])


class Migration(migrations.Migration):
    dependencies = [("trades", "0012_fewer_indexes")]

    operations = [
        migrations.AlterField(
            model_name="trade",
            name="premium",
            field=config.core.fields.AmountField(
                decimal_places=8,
                help_text="Cash of the openings before costs, a credit positive; empty for futures.",
                max_digits=20,
                null=True,
            ),
        ),
        migrations.RunPython(mend, migrations.RunPython.noop, elidable=True),
    ]
