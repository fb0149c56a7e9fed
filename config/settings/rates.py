"""Read risk-free rates by currency from a setting."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured


def rates_by_currency(rows: Iterable[str]) -> dict[str, float]:
    """Parse rows like ``EUR=0.02``: a currency and an annual fraction.

    Raises:
        ImproperlyConfigured: a row is none, or its rate is beyond ±100 %.
    """
    rates = {}
    for row in rows:
        currency, _, text = (part.strip() for part in row.partition("="))
        try:
            rate = float(text)
        except ValueError:
            rate = math.nan
        if not re.fullmatch(r"[A-Za-z]{3}", currency) or not abs(rate) <= 1.0:
            raise ImproperlyConfigured(
                f"RISK_FREE_RATES: {row.strip()!r} is no rate; write EUR=0.02 for 2 %."
            )
        rates[currency.upper()] = rate
    return rates
