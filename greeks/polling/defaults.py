"""What a new desk polls: written once; after that the rows belong to the operators."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from greeks.models import PolledInstrument
from greeks.providers.chain_registry import configured_chain_providers

PROVIDER = "upstox"
#: Annual and continuous: roughly the yield of Indian treasury bills of the options' terms.
RUPEE_RATE = 0.065
DEFAULTS = (
    {
        "slug": "nifty-50",
        "name": "Nifty 50",
        "instrument_key": "NSE_INDEX|Nifty 50",
        "underlying": "NIFTY",
    },
    {
        "slug": "nifty-bank",
        "name": "Nifty Bank",
        "instrument_key": "NSE_INDEX|Nifty Bank",
        "underlying": "BANKNIFTY",
    },
)


def seed_polled_instruments() -> int:
    """Write the defaults if there are no rows and Upstox is set up; returns how many.

    A single remaining row, even a disabled one, prevents this: operators' deletions and changes
    stay.
    """
    if PROVIDER not in configured_chain_providers() or PolledInstrument.objects.exists():
        return 0
    with transaction.atomic():
        rows = [
            PolledInstrument(
                **fields,
                provider=PROVIDER,
                exchange="NSE",
                currency="INR",
                rate=RUPEE_RATE,
                position=position,
                simulated=settings.DEMO,
            )
            for position, fields in enumerate(DEFAULTS)
        ]
        return len(PolledInstrument.objects.bulk_create(rows, ignore_conflicts=True))
