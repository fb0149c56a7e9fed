"""Hold grains, meats and softs in currency that were stored as 50 × cents.

The contract takes the size and the strike that it has at every broker, and what was recorded of it
its prices in currency. Money stays. An instrument that is there under its right identity already
takes the other's rows.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef, ProtectedError

_SIZES = {
    **dict.fromkeys(("ZC", "ZS", "ZW", "KE", "ZO"), 5000),
    **dict.fromkeys(("XC", "XK", "XW", "XN", "YC", "YK", "YW"), 1000),
    **dict.fromkeys(("MZC", "MZS", "MZW"), 500),
    **dict.fromkeys(("LE", "HE"), 40_000),
    **dict.fromkeys(("GF", "CT"), 50_000),
    "ZL": 60_000, "MZL": 6000, "ZR": 2000, "KC": 37_500, "SB": 112_000, "OJ": 15_000,
}  # fmt: skip
_CODE = re.compile(r"/?(?P<product>[A-Z0-9]{2,4}?)(?:[FGHJKMNQUVXZ]\d{1,2})?", re.ASCII)
_BARS = ("open", "high", "low", "close")
_QUOTED = ("price", "opening_price", "previous_close")
_LOTS = ("open_price", "close_price")
#: App, model, the way to the instrument, its prices.
_PRICED = (
    ("greeks", "ContractGreeks", "instrument", ("underlying_price",)),
    ("greeks", "ContractGreekHistory", "instrument", ("underlying_price",)),
    ("portfolio", "Position", "instrument", (*_QUOTED, "avg_price", "underlying_price")),
    ("portfolio", "Quote", "instrument", (*_QUOTED, "bid", "ask")),
    ("portfolio", "PriceBar", "instrument", _BARS),
    ("trades", "TradeExecution", "instrument", ("price",)),
    ("trades", "TradeLot", "instrument", _LOTS),
    ("trades", "TradeLeg", "instrument", _LOTS),
    ("trades", "ProvisionalClose", "instrument", ("price", "spot")),
    ("trades", "ShadowPosition", "instrument",
     ("entry_mid", "entry_price", "price", "close_price")),
    ("trades", "EntryContext", "execution__instrument", ("underlying_price",)),
)  # fmt: skip
#: What one instrument has once, and beside which fields.
_ONCE = {
    "ContractGreeks": (),
    "Quote": (),
    "Position": ("account", "sub_key"),
    "ContractGreekHistory": ("minute",),
    "PriceBar": ("minute",),
    "ProvisionalClose": ("account",),
    "ShadowPosition": ("signal",),
}
#: Greeks by what they are per: a cent's hundredfold, or its hundredth.
_PER_PRICE = {"gamma": 100, "gamma_raw": 100}
_OF_PRICE = ("theta", "theta_raw", "vega", "vega_raw")
_INPUTS = ("price", "spot", "forward")


def mend(apps: Any, schema_editor: Any) -> None:
    instruments = apps.get_model("greeks", "Instrument").objects
    kinds = ("future", "future_option")
    for old in list(instruments.filter(kind__in=kinds, currency="USD").order_by("pk")):
        name = old.root if old.kind == "future" else old.underlying
        matched = _CODE.fullmatch(name)
        if matched is None or _SIZES.get(matched["product"]) != old.multiplier * 100:
            continue
        before, old.multiplier = old.key, old.multiplier * 100
        terms = before.split(":")
        terms[-2] = _plain(old.multiplier)
        if old.strike is not None:
            old.strike /= 100
            terms[3] = _plain(old.strike)
        old.key = ":".join(terms)
        for app, model, way, prices in _PRICED:
            _convert(apps.get_model(app, model), {way: old}, prices, old)
        right = instruments.filter(key=old.key).first()
        if right is None:
            old.save(update_fields=["key", "multiplier", "strike"])
        else:
            _move(apps, old, right)
        instruments.filter(underlying_key=before).update(underlying_key=old.key)
        _identify(apps, right or old)


def _convert(model: Any, of: dict[str, Any], prices: tuple[str, ...], terms: Any) -> None:
    names = {field.name for field in model._meta.concrete_fields}
    factors = {name: factor for name, factor in _PER_PRICE.items() if name in names}
    parts = {*prices, *names.intersection(_OF_PRICE)}
    changed = []
    for row in model.objects.filter(**of).iterator(chunk_size=1000):
        for name in parts | factors.keys():
            value = getattr(row, name)
            if value is not None:
                setattr(row, name, value * factors[name] if name in factors else value / 100)
        if "inputs" in names:
            told = {name: row.inputs[name] / 100 for name in _INPUTS if row.inputs.get(name)}
            row.inputs = {**row.inputs, **told}
        if model.__name__ == "Position":
            row.multiplier, row.strike = terms.multiplier, terms.strike
        changed.append(row)
    columns = [*parts, *factors, *({"inputs"} & names)]
    columns += ["multiplier", "strike"] if model.__name__ == "Position" else []
    model.objects.bulk_update(changed, columns, batch_size=500)


def _move(apps: Any, old: Any, right: Any) -> None:
    apps.get_model("greeks", "InstrumentAlias").objects.filter(instrument=old).update(
        instrument=right
    )
    for app, name, way, _ in _PRICED:
        if way != "instrument":
            continue
        rows = apps.get_model(app, name).objects.filter(instrument=old)
        if name in _ONCE:
            same = {field: OuterRef(field) for field in _ONCE[name]}
            there = apps.get_model(app, name).objects.filter(instrument=right, **same)
            if name not in ("ProvisionalClose", "ShadowPosition"):
                rows.filter(Exists(there)).delete()
            rows = rows.exclude(Exists(there))
        rows.update(instrument=right)
    try:
        old.delete()
    except ProtectedError:
        # What its twin has as well stays with it.
        return


def _identify(apps: Any, instrument: Any) -> None:
    executions = apps.get_model("trades", "TradeExecution").objects
    changed = []
    for row in executions.filter(instrument=instrument).iterator(chunk_size=1000):
        facts = (
            row.account_id, instrument.key, row.kind, row.side, _plain(row.quantity),
            _plain(row.price), row.execution_time.replace(microsecond=0).isoformat(), row.order_id,
        )  # fmt: skip
        row.fingerprint = hashlib.sha256("\n".join(facts).encode()).hexdigest()
        changed.append(row)
    executions.bulk_update(changed, ["fingerprint"], batch_size=500)


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"


class Migration(migrations.Migration):
    dependencies = [
        ("greeks", "0014_book_alerts"),
        ("portfolio", "0006_portfolio_days"),
        ("trades", "0010_list_indexes"),
    ]
    operations = [migrations.RunPython(mend, migrations.RunPython.noop, elidable=True)]
