"""Call futures by the exchange's code and trades in them by their product.

Futures were stored under IBKR's names (``SOFR3``, ``JPY``, ``VIX``), trades in options on them under
the month where Tastytrade names it (``/MESH7``).

So the future and the options on it are one instrument at every broker. One that is there under the
code already takes the other's rows; fills keep their identity. What has the code already is left
alone, so that it may run again.
"""

from __future__ import annotations

import re
from decimal import Decimal
from importlib import import_module
from typing import Any

from django.db import migrations

#: IBKR's name and multiplier → the exchange's code.
_CODES = {
    ("AUD", 100_000): "6A",
    ("GBP", 62_500): "6B",
    ("CAD", 100_000): "6C",
    ("EUR", 125_000): "6E",
    ("EUR", 62_500): "E7",
    ("JPY", 12_500_000): "6J",
    ("JPY", 6_250_000): "J7",
    ("BRE", 100_000): "6L",
    ("MXP", 500_000): "6M",
    ("NZD", 100_000): "6N",
    ("CHF", 125_000): "6S",
    ("ZAR", 500_000): "6Z",
    ("VIX", 1000): "VX",
    ("VIX", 100): "VXM",
    ("BRR", 5): "BTC",
    ("BRR", Decimal("0.1")): "MBT",
    ("ETHUSDRR", 50): "ETH",
    ("ETHUSDRR", Decimal("0.1")): "MET",
    ("SI", 1000): "SIL",
    ("SOFR1", 4167): "SR1",
    ("SOFR3", 2500): "SR3",
}
#: A future named with its month, and indices whose names end like one.
_MONTH = re.compile(r"(/[A-Z0-9]+?)[FGHJKMNQUVXZ]\d{1,2}", re.ASCII)
_NO_MONTHS = {"/ESTX50", "/OMXH25", "/IBEX35", "/SENSEX50", "/TX60"}
_NAMES = sorted({name for name, _ in _CODES})


def mend_prices(apps: Any, schema_editor: Any) -> None:
    """Mend what a desk without a journal stored: 0011 is no part of the squashed migration.

    It changes nothing where that ran. It is not in the squashed one, for PostgreSQL alters no table
    whose changed rows still wait for checks in the same transaction.
    """
    import_module("trades.migrations.0011_prices_in_currency").mend(apps, schema_editor)


def rename(apps: Any, schema_editor: Any) -> None:
    earlier = import_module("trades.migrations.0011_prices_in_currency")
    instruments = apps.get_model("greeks", "Instrument").objects
    named = instruments.filter(
        kind__in=("future", "future_option"),
        currency="USD",
        underlying__in=[*_NAMES, *(f"/{name}" for name in _NAMES)],
    )
    for old in list(named.order_by("pk")):
        name = old.underlying.removeprefix("/")
        code = _CODES.get((name, old.multiplier.normalize()))
        if code is None:
            continue
        former, before = old.underlying, old.key
        terms = before.split(":")
        terms[1] = code if terms[1] == name else terms[1]
        old.key, old.underlying = ":".join(terms), f"/{code}"
        old.root = code if old.root == name else old.root
        old.symbol = _renamed(old.symbol, name, code)
        old.underlying_key = old.underlying_key.replace(f"future:{name}:", f"future:{code}:", 1)
        right = instruments.filter(key=old.key).exclude(pk=old.pk).first()
        if right is None:
            old.save(update_fields=["key", "underlying", "root", "symbol", "underlying_key"])
        else:
            earlier._move(apps, old, right)
        kept = right or old
        instruments.filter(underlying_key=before).update(underlying_key=kept.key)
        _rename_rows(apps, kept, former, name, code)
        earlier._identify(apps, kept)


def _rename_rows(apps: Any, instrument: Any, former: str, name: str, code: str) -> None:
    """Rename what shows the contract, or is found by its underlying."""
    for app, model in (
        ("portfolio", "Position"), ("portfolio", "Quote"), ("trades", "TradeExecution"),
    ):  # fmt: skip
        shown = apps.get_model(app, model).objects.filter(instrument=instrument)
        for symbol in set(shown.order_by().values_list("symbol", flat=True)):
            shown.filter(symbol=symbol).update(symbol=_renamed(symbol, name, code))
    apps.get_model("portfolio", "Position").objects.filter(instrument=instrument).update(
        underlying=instrument.underlying
    )
    for model, way in (
        ("Trade", "legs__instrument"), ("TradeRoll", "rolled_to__instrument"),
        ("TradeSignal", "legs__instrument"),
    ):  # fmt: skip
        rows = apps.get_model("trades", model).objects
        found = rows.filter(**{way: instrument}, underlying=former).values_list("pk", flat=True)
        rows.filter(pk__in=list(found)).update(underlying=instrument.underlying)


def _renamed(symbol: str, name: str, code: str) -> str:
    """Return ``SR3 20261215`` for ``SOFR3 20261215``."""
    first, blank, rest = symbol.partition(" ")
    return f"{code}{blank}{rest}" if first.removeprefix("/") == name else symbol


def shorten(apps: Any, schema_editor: Any) -> None:
    """Name trades, rolls and signals by product: ``/MES`` for ``/MESH7``, but not ``/ESTX50``."""
    for model in ("Trade", "TradeRoll", "TradeSignal"):
        rows = apps.get_model("trades", model).objects.order_by()
        for name in set(rows.filter(underlying__startswith="/").values_list("underlying", flat=True)):
            month = _MONTH.fullmatch(name)
            if month and name not in _NO_MONTHS:
                rows.filter(underlying=name).update(underlying=month[1])


class Migration(migrations.Migration):
    dependencies = [("trades", "0013_futures_have_no_premium")]
    operations = [
        migrations.RunPython(mend_prices, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(rename, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(shorten, migrations.RunPython.noop, elidable=True),
    ]
